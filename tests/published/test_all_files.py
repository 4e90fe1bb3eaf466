"""Every published file at hand comes in by aliases alone, and every cell and symbol of it is accounted for."""

import csv
import io
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from pilots.access import LOCAL_ADMINISTRATOR
from pilots.published import NotReadable, account_of_file, account_of_vintage, import_published
from pilots.published.cells import SYMBOLS
from pilots.storage import Store

DATA = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"
FOLDERS = ("ap", "ees_pairs", "ees_zips", "lait", "sen2_pre2023")
OF_ENGLAND = "exclusions_by_characteristic.zip"
# Codes, neighbours and names of measures: they describe the figures and have none.
DESCRIBE = {"la_code_list.xlsx", "lait_data_dictionary.csv", "sn_may_2025.xlsx"}
FILES = sorted(path for folder in FOLDERS for path in (DATA / folder).glob("*") if path.name not in DESCRIBE)

pytestmark = pytest.mark.slow


def symbols_of(path: Path) -> Counter[tuple[str, str]]:
    """Symbols in the data cells of each CSV, counted with the standard library; cells that say where and when have none."""
    content = path.read_bytes()
    texts = {path.name: content}
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            texts = {Path(name).name: archive.read(name) for name in archive.namelist()}
    found: Counter[tuple[str, str]] = Counter()
    for name, text in texts.items():
        if name.endswith(".csv") and not name.endswith(".meta.csv"):
            head, *rows = csv.reader(io.StringIO(text.decode("utf-8-sig", errors="replace")))
            counted = [
                at for at, column in enumerate(head) if column not in ("old_la_code", "new_la_code", "la_name", "region_name")
            ]
            found.update((name, row[at].strip()) for row in rows for at in counted if row and row[at].strip() in SYMBOLS)
    return found


@pytest.mark.skipif(not FILES, reason="the published files are not at hand (../shared/data)")
def test_there_are_files_of_every_folder() -> None:
    assert {path.parent.name for path in FILES} == set(FOLDERS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_file_comes_in_and_adds_up(path: Path, tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path}/s.sqlite")
    try:
        looked = account_of_file(LOCAL_ADMINISTRATOR, path.name, path.read_bytes())
        if path.name == OF_ENGLAND:
            with pytest.raises(NotReadable, match="It is of England as a whole") as refusal:
                import_published(store, LOCAL_ADMINISTRATOR, path.name, path.read_bytes())
            told, values = refusal.value.sections, 0
            assert looked.refused == str(refusal.value)
        else:
            brought = import_published(store, LOCAL_ADMINISTRATOR, path.name, path.read_bytes())
            told, values = brought.sections, brought.values
            assert told["unknown_columns"] == told["unknown_measures"] == told["missing_columns"] == told["unreadable"] == []
            assert account_of_vintage(store, LOCAL_ADMINISTRATOR, brought.reference).tables().keys() == looked.tables().keys()
    finally:
        store.close()
    accounts = told["reconciled"]
    assert looked.sections["reconciled"] == accounts, "to look at a file gives the account that its import gives"
    assert "Every cell is accounted for." in looked.summary()
    assert accounts and not [row for row in accounts if row["unaccounted"]]
    for row in accounts:
        fates = [count for key, count in row.items() if key not in ("file", "kind", "cells", "unaccounted")]
        assert row["cells"] == sum(fates), row
    assert sum(row["stored"] + row["region_total"] for row in accounts) == values
    if path.suffix != ".parquet":
        accounted = {(row["file"], row["kind"]): row["cells"] for row in accounts}
        supporting = {entry["file"] for entry in told["files"] if entry["reason"].startswith(("supporting file", "describes"))}
        plainly = {key: count for key, count in symbols_of(path).items() if key[0] not in supporting}
        assert {key: accounted.get(key) for key in plainly} == plainly
