"""Every published file at hand comes in by aliases alone, and every cell and symbol of it is accounted for."""

import csv
import io
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from pilots.access import LOCAL_ADMINISTRATOR
from pilots.published import NotReadable, import_published
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
        if path.name == OF_ENGLAND:
            with pytest.raises(NotReadable, match="It is of England as a whole"):
                import_published(store, LOCAL_ADMINISTRATOR, path.name, path.read_bytes())
            return
        brought = import_published(store, LOCAL_ADMINISTRATOR, path.name, path.read_bytes())
    finally:
        store.close()
    told = brought.sections
    assert told["unknown_columns"] == told["unknown_measures"] == told["missing_columns"] == told["unreadable"] == []
    accounts = told["reconciled"]
    assert accounts and not [row for row in accounts if row["unaccounted"]]
    for row in accounts:
        fates = [count for key, count in row.items() if key not in ("file", "kind", "cells", "unaccounted")]
        assert row["cells"] == sum(fates), row
    assert sum(row["stored"] + row["region_total"] for row in accounts) == brought.values
    if path.suffix != ".parquet":
        plainly = symbols_of(path)
        read = {row["file"] for row in accounts}
        for (name, symbol), count in plainly.items():
            if name in read:
                assert next(row["cells"] for row in accounts if (row["file"], row["kind"]) == (name, symbol)) == count, (
                    name,
                    symbol,
                )
