"""Who does the work changes no number, and an evaluation that was killed goes on from what it had finished."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from sqlalchemy import text

from pilots import asking, releases, runs
from pilots.__main__ import pilots
from pilots.access import LOCAL_ADMINISTRATOR
from pilots.catalogue import outcome
from pilots.commands import STOPPED
from pilots.errors import UserError
from pilots.fanout import HERE, Workers, fan_out, workers_set
from pilots.figures import figures
from pilots.frozen import Shared
from pilots.panels import question
from pilots.plans import Plan, named_plan, register_plan
from pilots.releases import Release
from pilots.standing import standing
from pilots.storage import Store
from pilots.storage.base import now
from tests.databases import on_sqlite_only
from tests.processes import PATIENCE, halted, until
from tests.runs.small import small_plan

workers_alone = on_sqlite_only(
    "workers know no store: the process that was called reads and writes it, and is killed on both below"
)

ROOT = Path(__file__).resolve().parents[2]
TWO = ["timeliness_20_weeks", "timeliness_20_weeks_excluding_exceptions"]
BESIDE = "family and harm"


@pytest.fixture
def plan_file(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(small_plan().text, encoding="utf-8")
    return path


@pytest.fixture
def ready(store: Store, known: Any, released: Callable[..., Release]) -> Store:
    """A store with a release that the small plan asks."""
    released(known)
    return store


def speak(store: Store, *typed: str, workers: str = "1", backend: str = "", path: Path | None = None) -> dict[str, Any]:
    """What `pilots …` prints as JSON, in a process of its own."""
    done = subprocess.run(**call(store, *typed, "--json", workers=workers, backend=backend, path=path), capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def call(store: Store, *typed: str, workers: str, backend: str = "", path: Path | None = None) -> dict[str, Any]:
    places = os.pathsep.join(str(one) for one in (ROOT, path) if one)
    settings = {"PILOTS_WORKERS": workers, "PILOTS_BACKEND": backend, "PILOTS_DATABASE_URL": str(store.engine.url)}
    return {
        "args": [sys.executable, "-m", "pilots", *typed],
        "cwd": ROOT,
        "env": {**os.environ, **settings, "PYTHONPATH": places},
    }


def kept(store: Store) -> dict[str, str]:
    with store.engine.connect() as connection:
        return {row.key: row.document for row in connection.execute(text("SELECT key, document FROM pieces"))}


def worked_on(store: Store, whole: bool = False) -> list[str]:
    """The outcomes that were estimated, one entry each time: from the audit log; `whole` with what is told beside them."""
    with store.engine.connect() as connection:
        rows = connection.execute(text("SELECT subject, detail FROM audit_events WHERE action = 'evaluate' ORDER BY id"))
        found = [row.subject.partition(", ")[2] for row in rows if "piece" in row.detail]
        return found if whole else [one for one in found if one != BESIDE]


def killed(store: Store, typed: Sequence[str], how: Callable[[subprocess.Popen[bytes]], None], workers: str = "1") -> int:
    """Evaluate until the first outcome is kept, then end it; the exit code."""
    with halted("insert pieces", **call(store, *typed, workers=workers)) as run:
        how(run)
    return run.returncode


@pytest.mark.slow
@workers_alone
def test_one_worker_and_two_give_the_same_document(ready: Store, plan_file: Path) -> None:
    one = runs.evaluate(ready, LOCAL_ADMINISTRATOR, small_plan()).document
    two = speak(ready, "evaluate", str(plan_file), workers="2")
    assert one["results_digest"] == two["results_digest"]
    assert [question["outcome"] for question in two["questions"]] == TWO
    assert worked_on(ready) and kept(ready) == {}, "the pieces are let go of with the run"


@pytest.mark.slow
def test_the_demonstration_gives_the_same_digests_with_1_2_and_4_workers(demonstration_url: str) -> None:
    store = Store.open(demonstration_url)
    found = {count: speak(store, "evaluate", "digital_ehcp", workers=count)["results_digest"] for count in ("1", "2", "4")}
    assert len(set(found.values())) == 1, found


def test_a_killed_evaluation_goes_on_and_ends_with_the_same_digest(ready: Store, plan_file: Path) -> None:
    assert killed(ready, ("evaluate", str(plan_file)), lambda run: run.kill()) == -signal.SIGKILL
    assert runs.runs(ready, LOCAL_ADMINISTRATOR) == [], "nothing half is stored as a run"
    assert list(kept(ready)) and worked_on(ready) == TWO[:1]
    told: list[list[tuple[float, str]]] = [[], []]
    say = [lambda share, words, mine=mine: mine.append((share, words)) for mine in told]
    again = runs.evaluate(ready, LOCAL_ADMINISTRATOR, small_plan(), progress=say[0]).document
    assert worked_on(ready) == TWO, "what was finished is not estimated again"
    undisturbed = runs.evaluate(ready, LOCAL_ADMINISTRATOR, small_plan(), progress=say[1]).document
    for shares in ([share for share, _ in one] for one in told):
        assert shares == sorted(shares) and shares[0] == 0.0
    assert {one[-1] for one in told} == {(1.0, "2 of 2 outcomes")}
    assert again["results_digest"] == undisturbed["results_digest"] and worked_on(ready) == TWO + TWO
    assert again["questions"] == undisturbed["questions"]


def workers_of(parent: int) -> list[int]:
    """Processes that work for it: its children but for the one that looks after what they share."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(one) for one in children if b"popen_loky" in Path(f"/proc/{one}/cmdline").read_bytes()]


def gone(process: int) -> bool:
    """Whether it has ended."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return True


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").exists(), reason="workers are found under /proc")
@pytest.mark.parametrize("whom", ["parent", "worker"])
@workers_alone
def test_two_workers_killed_go_on_to_the_same_digests(
    ready: Store, tmp_path: Path, whom: str, capfd: pytest.CaptureFixture[str]
) -> None:
    plans = [small_plan(), small_plan(level=0.9)]
    files = [tmp_path / f"{number}.yaml" for number in range(len(plans))]
    for path, plan in zip(files, plans, strict=True):
        path.write_text(plan.text, encoding="utf-8")
    asked = ("evaluate", *map(str, files))
    workers: list[int] = []

    def kill(run: subprocess.Popen[bytes]) -> None:
        workers.extend(workers_of(run.pid))
        os.kill(run.pid if whom == "parent" else workers[0], signal.SIGKILL)

    code = killed(ready, asked, kill, workers="2")
    said = capfd.readouterr().err
    assert len(workers) == 2
    until(lambda: all(gone(one) for one in workers), "somebody works on alone")
    if whom == "parent":
        assert code == -signal.SIGKILL
    else:
        assert code == 1 and "What is finished is kept: do the same again" in said and "Traceback" not in said
    finished, stored = worked_on(ready, whole=True), len(runs.runs(ready, LOCAL_ADMINISTRATOR))
    assert 1 <= len(finished) < 6 and 3 * stored + len(kept(ready)) == len(finished), "a run is stored whole or not at all"
    again = speak(ready, *asked, workers="2")["runs"]
    everything = worked_on(ready, whole=True)
    assert len(everything) == 6 + 3 * stored, "what was finished is not estimated again, but for a run that was asked again"
    undisturbed = runs.evaluate_plans(ready, LOCAL_ADMINISTRATOR, plans, workers=HERE).runs
    assert [one["results_digest"] for one in again] == [run.document["results_digest"] for run in undisturbed]


@workers_alone
def test_ctrl_c_says_that_the_same_command_goes_on(ready: Store, plan_file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code = killed(ready, ("evaluate", str(plan_file)), lambda run: os.killpg(run.pid, signal.SIGINT))
    said = capfd.readouterr().err
    assert code == STOPPED and "What is finished is kept" in said and "Traceback" not in said
    assert runs.runs(ready, LOCAL_ADMINISTRATOR) == [] and kept(ready)


def test_a_damaged_piece_is_not_taken_up(ready: Store) -> None:
    def stop(share: float, words: str) -> None:
        if kept(ready):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        runs.evaluate_plans(ready, LOCAL_ADMINISTRATOR, [small_plan()], progress=stop, workers=HERE)
    with ready.engine.begin() as connection:
        connection.execute(text("UPDATE pieces SET document = replace(document, '0', '1')"))
    runs.evaluate(ready, LOCAL_ADMINISTRATOR, small_plan())
    assert worked_on(ready) == [TWO[0], *TWO]


def test_a_piece_belongs_to_its_data_plan_code_and_libraries(
    ready: Store, known: Any, released: Callable[..., Release], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = releases.release(ready, LOCAL_ADMINISTRATOR)
    same = [key_of(ready, first, small_plan()), key_of(ready, first, small_plan())]
    assert same[0] == same[1]
    others = [key_of(ready, first, small_plan(level=0.9))]
    known["E06000016", 2024] = (200, 10)
    others.append(key_of(ready, released(known, name="second"), small_plan()))
    for name in ("code_version", "library_versions"):
        with monkeypatch.context() as changed:
            changed.setattr(asking, name, lambda: "another")
            others.append(key_of(ready, first, small_plan()))
    assert len({same[0], *others}) == 5


def key_of(store: Store, release: Release, plan: Plan) -> str:
    spells = releases.register_spells(store, release)
    return asking.asked_of(store, release, plan, spells, None, standing(store, plan, now(), spells)).pieces[0].key


def test_what_questions_share_is_read_once_and_is_what_each_would_read(ready: Store) -> None:
    release, plan = releases.release(ready, LOCAL_ADMINISTRATOR), small_plan()
    spells = releases.register_spells(ready, release)
    alone = question(ready, release, plan, outcome(TWO[0]), spells)
    shared = Shared(ready)
    together = [question(shared, release, plan, outcome(TWO[0]), spells) for _ in range(2)]
    assert figures(shared, release, outcome(TWO[0])) is figures(shared, release, outcome(TWO[0]))
    assert {one.digest for one in together} == {alone.digest} and together[0] is together[1]
    others = (small_plan(level=0.9), small_plan(weights="denominator"), small_plan(comparison={"authorities": "same_regions"}))
    alike = [question(shared, release, one, outcome(TWO[0]), spells) is together[0] for one in others]
    assert alike == [True, False, False], "a panel is shared by plans that differ in nothing that it is made from"
    for one in together:
        for mine, theirs in ((one.panel, alone.panel), (one.path, alone.path)):
            assert np.array_equal(mine.values, theirs.values, equal_nan=True) and np.array_equal(mine.cohort, theirs.cohort)
        assert one.panel.intensity is None and one.path.intensity is not None


def test_all_registered_plans_run_once_and_what_the_release_lacks_is_said(ready: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PILOTS_DATABASE_URL", str(ready.engine.url))
    refused = CliRunner().invoke(pilots, ["evaluate", "--all"])
    assert refused.exit_code == 1 and "No plan is registered" in refused.stderr
    assert CliRunner().invoke(pilots, ["evaluate", "--all", "ehcp_timeliness"]).exit_code == 2
    register_plan(ready, LOCAL_ADMINISTRATOR, small_plan())
    register_plan(ready, LOCAL_ADMINISTRATOR, named_plan("new_plans_mainstream"))
    first, second = (CliRunner().invoke(pilots, ["evaluate", "--all", "--json"]) for _ in range(2))
    assert first.exit_code == 1
    found = json.loads(first.stdout)
    assert [one["plan"]["plan"] for one in found["runs"]] == ["ehcp_timeliness"]
    (missing,) = found["refused"]
    assert missing["plan"] == "new_plans_mainstream" and "Import a release that does" in missing["error"]
    assert json.loads(second.stdout)["runs"] == found["runs"], "a plan that has its run is left alone"
    assert len(runs.runs(ready, LOCAL_ADMINISTRATOR)) == 1


BACKEND = """
import os
from joblib import register_parallel_backend
from joblib.parallel import ThreadingBackend

class Counted(ThreadingBackend):
    def submit(self, func, callback=None):
        with open(os.environ["COUNTED"], "a") as there:
            there.write("one")
        return super().submit(func, callback)

def known():
    register_parallel_backend("counted", Counted)
"""


@pytest.mark.slow
@workers_alone
def test_another_backend_of_joblib_does_the_work(
    ready: Store, plan_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_backend.py").write_text(BACKEND, encoding="utf-8")
    monkeypatch.setenv("COUNTED", str(tmp_path / "count.txt"))
    there = speak(ready, "evaluate", str(plan_file), workers="2", backend="counted=own_backend:known", path=tmp_path)
    assert (tmp_path / "count.txt").read_text() == "oneoneone", "two outcomes and what is told beside them"
    assert there["results_digest"] == runs.evaluate(ready, LOCAL_ADMINISTRATOR, small_plan()).document["results_digest"]


def double(piece: int, tell: Any) -> int:
    return 2 * piece


STARTED = threading.Event()


def started(piece: int, tell: Any) -> int:
    STARTED.set()
    return double(piece, tell)


def test_pieces_go_out_while_others_are_still_made_by_the_thread_that_called() -> None:
    threads, waited = [], []

    def made() -> Iterator[int]:
        for piece in range(6):
            threads.append(threading.current_thread())
            if piece == 5:
                waited.append(STARTED.wait(timeout=PATIENCE))
            yield piece

    found = dict(fan_out(started, made(), 6, Workers(2, "threading"), lambda piece, share, what: None))
    assert found == {piece: 2 * piece for piece in range(6)} and waited == [True]
    assert set(threads) == {threading.current_thread()}


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("PILOTS_WORKERS", "many", "cannot be “many”. Write a whole number of 1 or more"),
        ("PILOTS_WORKERS", "0", "cannot be “0”"),
        ("PILOTS_BACKEND", "no_such_backend", "The backend “no_such_backend” of PILOTS_BACKEND cannot be used"),
        ("PILOTS_BACKEND", "own=no_such_module:known", "“no_such_module:known” of PILOTS_BACKEND cannot be called"),
    ],
)
def test_a_setting_that_cannot_be_used_is_told(monkeypatch: pytest.MonkeyPatch, setting: str, value: str, words: str) -> None:
    monkeypatch.setenv(setting, value)
    with pytest.raises(UserError) as caught:
        list(fan_out(double, [1, 2], 2, workers_set(), lambda piece, share, what: None))
    assert words in str(caught.value)


def test_without_a_setting_every_core_of_this_machine_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PILOTS_WORKERS")
    assert workers_set().count >= 1 and workers_set().backend == "loky"
    monkeypatch.setenv("PILOTS_BACKEND", "dask=cluster:join")
    assert workers_set() == Workers(-1, "dask", "cluster:join")
