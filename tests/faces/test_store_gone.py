"""A store of SQLite that goes away, may not be written to, or is full: what commands and screens say, and what is kept."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from data_contracts import Report
from pilots import auditing, returns, uploads
from pilots.__main__ import pilots
from pilots.access import LOCAL_ADMINISTRATOR
from pilots.accounts import add_development_accounts
from pilots.storage import Store

REGION, PERIOD = "E12000001", "2023/24 autumn"
ABOUT = ("--collection", "ehcp_process", "--region", REGION, "--period", PERIOD)
NOBODY = 65534
Happens = Callable[[], Any]


@pytest.fixture
def while_checking(monkeypatch: pytest.MonkeyPatch) -> Callable[[Happens], Any]:
    """Lets something happen after the bytes are kept and before the findings are."""

    @contextmanager
    def during(happens: Happens) -> Iterator[None]:
        check = uploads.check_corrected

        def checks(*given: Any) -> Report:
            report = check(*given)
            happens()
            return report

        with monkeypatch.context() as midway:
            midway.setattr(uploads, "check_corrected", checks)
            yield

    return during


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that other users of this machine may enter, as they may not enter pytest's."""
    folder = Path(tempfile.mkdtemp(prefix="store-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@contextmanager
def without_the_right_to_write(folder: Path) -> Iterator[None]:
    """For root, who may write anywhere, as nobody."""
    folder.chmod(0o555)
    if os.geteuid() == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if os.getuid() == 0:
            os.seteuid(0)
        folder.chmod(0o755)


def submit(file: Path, *more: str) -> Result:
    return CliRunner().invoke(pilots, ["submit", str(file), *ABOUT, *more], catch_exceptions=False)


def told(result: Result, words: str) -> None:
    said = " ".join(result.stderr.split())
    assert result.exit_code == 1 and words in said and "Nothing was changed" in said and "Traceback" not in said, said


def sent_at_last(url: str, file: Path) -> None:
    """What was received before is there, the check that died says so, and the same file is taken now."""
    with_it = submit(file)
    assert with_it.exit_code == 0, with_it.output
    store = Store.open(url)
    states = [check["state"] for check in returns.checks(store, LOCAL_ADMINISTRATOR)]
    assert states in (["checked"], ["checked", "could not finish checking"])
    assert [one.version for one in returns.submissions(store, LOCAL_ADMINISTRATOR)] == [1]
    assert auditing.verify_audit(store, LOCAL_ADMINISTRATOR).faults == ()
    store.close()


@pytest.fixture
def file(place: Path, ehcp_csv: Callable[..., bytes]) -> Path:
    path = place / "autumn.csv"
    path.write_bytes(ehcp_csv(REGION, PERIOD))
    return path


def test_a_file_moved_while_a_return_is_checked(
    place: Path, file: Path, while_checking: Callable[[Happens], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, here, away = f"sqlite:///{place / 'own.sqlite'}", place / "own.sqlite", place / "away.sqlite"
    monkeypatch.setenv("PILOTS_DATABASE_URL", url)
    with while_checking(lambda: here.rename(away)):
        told(submit(file), "its file has gone: it was moved or removed")
    assert not here.exists(), "no empty store takes its place"
    away.rename(here)
    sent_at_last(url, file)


def test_a_folder_that_may_not_be_written_to(place: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url, folder = f"sqlite:///{place / 'inside' / 'own.sqlite'}", place / "inside"
    folder.mkdir()
    monkeypatch.setenv("PILOTS_DATABASE_URL", url)
    for _ in ("a new store", "one that is there"):
        with without_the_right_to_write(folder):
            refused = submit(file)
        assert refused.exit_code == 1 and "Traceback" not in refused.output
        assert "that you may write there" in " ".join(refused.stderr.split()), refused.stderr
        Store.open(url).close()
    sent_at_last(url, file)


@pytest.fixture
def small_disk(place: Path) -> Iterator[Path]:
    """A disk of two megabytes."""
    disk = place / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("only root can mount a small disk")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(disk: Path) -> None:
    with (disk / "filler").open("wb", buffering=0) as handle:
        try:
            while True:
                handle.write(bytes(4096))
        except OSError:
            return


def test_a_disk_that_is_full_before_or_while_a_return_is_checked(
    small_disk: Path, file: Path, while_checking: Callable[[Happens], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{small_disk / 'own.sqlite'}"
    monkeypatch.setenv("PILOTS_DATABASE_URL", url)
    Store.open(url).close()
    fill(small_disk)
    refused = submit(file)
    assert refused.exit_code == 1 and "the disk is not full" in " ".join(refused.stderr.split()), refused.stderr
    (small_disk / "filler").unlink()
    with while_checking(lambda: fill(small_disk)):
        refused = submit(file)
    assert refused.exit_code == 1 and "the disk is not full" in " ".join(refused.stderr.split()), refused.stderr
    (small_disk / "filler").unlink()
    sent_at_last(url, file)


@pytest.mark.parametrize("what", ["moved", pytest.param("full", marks=pytest.mark.slow)])
def test_the_screen_says_it_and_goes_on_when_the_store_is_back(
    what: str,
    place: Path,
    ehcp_csv: Callable[..., bytes],
    screen: Callable[..., Any],
    while_checking: Callable[[Happens], Any],
    request: pytest.FixtureRequest,
) -> None:
    folder = request.getfixturevalue("small_disk") if what == "full" else place
    url, here, away = f"sqlite:///{folder / 'own.sqlite'}", folder / "own.sqlite", folder / "away.sqlite"
    store = Store.open(url)
    add_development_accounts(store, LOCAL_ADMINISTRATOR)
    shown = screen(url)
    shown.sign_in("Lead of North East")

    def choose() -> None:
        shown.go("pages/submit.py")
        shown.choose("Collection", "ehcp_process")
        shown.choose("Period", PERIOD)
        shown.upload("autumn.csv", ehcp_csv(REGION, PERIOD))

    choose()
    with while_checking(lambda: fill(folder) if what == "full" else here.rename(away)):
        shown.press("Check my file")
    assert "There is a problem" in shown.words and "Nothing was changed" in shown.words
    assert ("has gone: it was moved or removed" if what == "moved" else "disk is full") in shown.words, shown.words
    shown.run()  # and whatever else the reader tries says the same, in words
    if what == "moved":
        assert "has gone: it was moved or removed" in shown.words and shown.buttons == []
        away.rename(here)
    else:
        (folder / "filler").unlink()
    choose()
    shown.press("Check my file")
    shown.press("Submit this return")
    assert "Return received" in shown.words
    assert [one.version for one in returns.submissions(store, LOCAL_ADMINISTRATOR)] == [1]
    store.close()
