"""What cannot be taken in: each refusal says what, where and what to do, and nothing of the file is stored but its digest."""

import io
import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from pilots.access import EVALUATOR, LEAD, LOCAL_ADMINISTRATOR, Actor, NotAllowed
from pilots.auditing import verify_audit
from pilots.errors import UserError
from pilots.published import ImportReport, NotReadable, files, import_ees, report, vintages
from pilots.returns import ReturnNotAccepted, submit_return
from pilots.storage import METADATA, Store
from pilots.storage.audit import events
from pilots.storage.blobs import kept_bytes

Take = Callable[[str, bytes], ImportReport]
GOOD = ("2024", "E06000001", "100", "90", "60", "58", "60", "64.4", "1")


def zipped(names: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", compression) as archive:
        for name, content in names.items():
            archive.writestr(name, content)
    return held.getvalue()


def test_not_readable_is_a_user_error() -> None:
    assert issubclass(NotReadable, UserError)


@pytest.mark.parametrize(
    ("filename", "content", "words"),
    [
        ("release.zip", b"", "release.zip is empty (0 bytes). Download"),
        ("release.zip", b"time_period,value\n2024,1\n", "is not a zip file although its name ends in .zip"),
        ("release.zip", b"PK\x03\x04 and then nothing", "is a broken zip file"),
        ("figures.csv", b"%PDF-1.7\x00\x00", "is not text"),
        ("release.zip", zipped({"readme.md": b"hello"}), "has no CSV file"),
        ("release.zip", zipped({"../../etc/data.csv": b"a,b\n1,2\n"}), "leads outside the zip"),
        ("release.zip", zipped({"/data/x.csv": b"a,b\n1,2\n"}), "leads outside the zip"),
        ("release.zip", zipped({"C:\\data\\x.csv": b"a,b\n1,2\n"}), "leads outside the zip"),
        ("release.zip", zipped({"data/bomb.csv": b"0" * (8 * 2**20)}), "zip bomb"),
        ("release.zip", zipped({f"data/{n}.csv": b"" for n in range(files.MAX_FILES + 1)}), "at most 500 are opened"),
        ("release.zip", zipped({"data/absence.csv": b"a,b\n1,2\n"}), "none of its files is known (absence.csv)"),
        ("release.zip", zipped({"data/requests.csv": b"a,b\n1,2\n", "old/requests.csv": b"a\n"}), "two files “requests.csv”"),
        ("caseload.csv", b"\n\n", "it is empty, or its first line is blank"),
    ],
    ids=lambda value: str(value)[:24] if isinstance(value, str) else "",
)
def test_refused_with_words_and_nothing_of_it_is_kept(
    store: Store, take: Take, filename: str, content: bytes, words: str
) -> None:
    with pytest.raises(NotReadable) as caught:
        take(filename, content)
    assert words in str(caught.value)
    assert filename in str(caught.value) or "requests.csv" in str(caught.value)
    with store.read() as connection:
        assert kept_bytes(connection, sha256(content).hexdigest()) is None
        told = [(event["detail"]["step"], event["detail"]["sha256"]) for event in events(connection, action="import_published")]
        assert told == [("received", sha256(content).hexdigest())]


def test_a_file_of_pupils_taken_by_mistake_leaves_nothing(store: Store, take: Take, make_zip: Callable[..., bytes]) -> None:
    secret, cases = "A123456789012", "UPN,Surname,Date of birth\nA123456789012,Smith,2012-01-31\n"
    for filename, content in {"cases.csv": cases.encode(), "cases.zip": make_zip({"cases.csv": cases})}.items():
        with pytest.raises(NotReadable) as caught:
            take(filename, content)
        assert secret not in str(caught.value)
    with store.read() as connection:
        for table in METADATA.sorted_tables:
            assert secret not in str(connection.execute(table.select()).all()), table.name


def test_a_release_that_was_sent_as_a_return_first_is_kept_when_it_is_imported(
    store: Store, take: Take, make_csv: Callable[..., str], make_zip: Callable[..., bytes]
) -> None:
    content = make_zip({"timeliness_20_week.csv": make_csv([GOOD])})
    with pytest.raises(ReturnNotAccepted):
        submit_return(store, LOCAL_ADMINISTRATOR, "ehcp_process", "E12000001", "2023/24 autumn", "release.zip", content)
    brought = take("release.zip", content)
    with store.read() as connection:
        assert kept_bytes(connection, brought.sha256) == content
    assert verify_audit(store, LOCAL_ADMINISTRATOR).faults == ()


def test_truncated_zip(take: Take, make_csv: Callable[..., str], make_zip: Callable[..., bytes]) -> None:
    content = make_zip({"timeliness_20_week.csv": make_csv([GOOD] * 50)})
    with pytest.raises(NotReadable, match="broken zip file"):
        take("release.zip", content[: len(content) // 2])


def test_damaged_part(take: Take, make_csv: Callable[..., str], make_zip: Callable[..., bytes]) -> None:
    content = bytearray(make_zip({"timeliness_20_week.csv": make_csv([(str(2000 + n), *GOOD[1:]) for n in range(20)])}, None))
    at = content.index(b".csv") + 40
    content[at : at + 30] = bytes(30)
    with pytest.raises(NotReadable, match="cannot be unpacked"):
        take("release.zip", bytes(content))


def test_password(take: Take, make_csv: Callable[..., str], make_zip: Callable[..., bytes]) -> None:
    content = bytearray(make_zip({"timeliness_20_week.csv": make_csv([GOOD])}, None))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(NotReadable, match="protected by a password"):
        take("release.zip", bytes(content))


def test_size_larger_than_the_directory_says(take: Take, make_zip: Callable[..., bytes]) -> None:
    content = bytearray(make_zip({"timeliness_20_week.csv": "a,b\n" * 1000}, None))
    place = content.index(b"PK\x01\x02") + 24
    content[place : place + 4] = (16).to_bytes(4, "little")
    with pytest.raises(NotReadable, match="larger than the zip says|cannot be unpacked"):
        take("release.zip", bytes(content))


def test_too_large_is_not_even_kept(store: Store, take: Take, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_UPLOAD", 10)
    with pytest.raises(NotReadable, match="at most 0 MB can be taken in"):
        take("release.zip", b"x" * 11)
    with store.read() as connection:
        assert events(connection) == []


def test_unpacked_size_is_limited(take: Take, make_zip: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_UNPACKED", 100)
    with pytest.raises(NotReadable, match="unpacks to"):
        take("release.zip", make_zip({"requests.csv": "x" * 200}))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it is empty"),
        ("\n2024,1\n", "its first line is blank"),
        ("{head}\n", "it has a header and no rows"),
        ("time_period;time_identifier;geographic_level;new_la_code\n2024;Calendar year;National;\n", "Are its columns separated"),
        ("time_period,time_identifier,geographic_level\n2024,Calendar year,National\n", "there is no column new_la_code"),
        (
            "time_period,time_identifier,geographic_level,new_la_code\n2024,Calendar year,National,\n",
            "no rows of local authorities",
        ),
        ("{good}2024,Calendar year\n", "row 3 has 2 cells and the header 19"),
        ("{good}{row},1,2\n", "row 3 has 21 cells and the header 19"),
        ('{head}\n"2024,Calendar year\n', "row 2 has 1 cells|quotation mark"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(
    take: Take, make_csv: Callable[..., str], make_zip: Callable[..., bytes], text: str, reason: str
) -> None:
    good = make_csv([GOOD])
    head, row = good.splitlines()
    broken = text.replace("{head}", head).replace("{good}", good).replace("{row}", row)
    with pytest.raises(NotReadable, match=reason):
        take("release.zip", make_zip({"timeliness_20_week.csv": broken}))


def test_no_totals(take: Take, make_csv: Callable[..., str], make_zip: Callable[..., bytes]) -> None:
    with pytest.raises(NotReadable, match=r"no row has breakdown = All EHC plans issued or All EHC plans.*it has: Male"):
        take("release.zip", make_zip({"timeliness_20_week.csv": make_csv([GOOD], label="Male")}))


def test_a_broken_file_does_not_stop_the_others(take: Take, make_csv: Callable[..., str], make_zip: Callable[..., bytes]) -> None:
    brought = take("release.zip", make_zip({"timeliness_20_week.csv": make_csv([GOOD]), "requests.csv": "a,b\n1,2\n"}))
    listed = {entry["file"]: entry for entry in brought.sections["files"]}
    assert brought.values == 7
    assert listed["requests.csv"]["values"] == 0
    assert "not in the standard layout" in listed["requests.csv"]["reason"]


def test_who_may(store: Store, take: Take, make_csv: Callable[..., str]) -> None:
    evaluator = Actor("e", "An evaluator", EVALUATOR)
    lead = Actor("l", "A lead", LEAD, ("E12000001",))
    content = make_csv([GOOD]).encode()
    for actor in (evaluator, lead):
        with pytest.raises(NotAllowed, match="cannot import published series"):
            import_ees(store, actor, "timeliness_20_week.csv", content)
    with pytest.raises(NotAllowed):
        vintages(store, lead)
    with pytest.raises(NotAllowed):
        report(store, lead, "EES-0001")
    with store.read() as connection:
        assert events(connection) == []


def test_no_such_vintage(store: Store) -> None:
    with pytest.raises(UserError, match="no published vintage “EES-0007”"):
        report(store, Actor("e", "An evaluator", EVALUATOR), "EES-0007")


def test_a_name_with_folders_is_made_safe(take: Take, make_csv: Callable[..., str]) -> None:
    brought = take("..\\..\\home/timeliness_20_week.csv", make_csv([GOOD]).encode())
    assert brought.filename == "timeliness_20_week.csv"


def test_nothing_is_written_beside_the_store(store: Store, take: Take, tmp_path: Path, make_csv: Callable[..., str]) -> None:
    take("timeliness_20_week.csv", make_csv([GOOD]).encode())
    files = {path.name.removesuffix("-wal").removesuffix("-shm") for path in tmp_path.iterdir()}
    assert files == ({"store.sqlite"} if store.engine.dialect.name == "sqlite" else set())
