"""The supporting files of a release: none of their figures is used, and every cell of them is accounted for."""

import csv
import io
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from pilots.access import LOCAL_ADMINISTRATOR
from pilots.published import account_of_file

NAME = "timeliness_20_week.csv"
RELEASE = Path(__file__).resolve().parents[2] / "../shared/data/ees_zips/education-health-and-care-plans_2025.zip"
ROW = ("2024", "E06000001", "100", "90", "50", "45", "50", "50", "3")


def test_cells_of_supporting_files_are_counted_whatever_their_shape(
    make_csv: Callable[..., str], make_zip: Callable[..., bytes]
) -> None:
    files = {
        NAME: make_csv([ROW]),
        "supporting-files/a_table.csv": "la_name,officers,note\nLeeds,3,\nYork,x,two\n",
        "supporting-files/b_ragged.csv": "A title\n\narea,n\nLeeds,1,2,z\n",
        f"supporting-files/{NAME}": "la_name,n\nLeeds,7\n",
        "supporting-files/c_picture.csv": "\x00\x01\x02",
    }
    found = account_of_file(LOCAL_ADMINISTRATOR, "education-health-and-care-plans_2025.zip", make_zip(files))
    counts: dict[str, dict[str, int]] = {}
    for entry in found.sections["reconciled"]:
        assert entry["unaccounted"] == 0
        if entry["file"] != NAME:
            assert (entry["stored"], entry["unused"]) == (0, entry["cells"])
            counts.setdefault(entry["file"], {})[entry["kind"]] = entry["cells"]
    assert counts == {
        "a_table.csv": {"number": 1, "x": 1, "blank": 1, "other text": 1},
        "b_ragged.csv": {"number": 2, "z": 1, "blank": 5, "other text": 4},
        f"supporting-files/{NAME}": {"number": 1},
    }
    named = {entry["file"]: entry["rows"] for entry in found.sections["files"] if entry["reason"]}
    assert named == {"a_table.csv": 2, "b_ragged.csv": 3, f"supporting-files/{NAME}": 1, "c_picture.csv": 0}


@pytest.mark.skipif(not RELEASE.exists(), reason="the published files are not at hand (../shared/data)")
def test_the_supporting_files_of_2025_add_up_as_the_standard_library_reads_them(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = ("timeliness_20_week", "supporting", "guidance")  # one data file is enough beside them
    small = io.BytesIO()
    with zipfile.ZipFile(RELEASE) as whole, zipfile.ZipFile(small, "w") as made:
        names = [name for name in whole.namelist() if any(part in name for part in kept)]
        for name in names:
            made.writestr(name, whole.read(name))
        texts = {Path(name).name: whole.read(name).decode("utf-8-sig") for name in names if "supporting" in name}
    found = account_of_file(LOCAL_ADMINISTRATOR, RELEASE.name, small.getvalue())
    cells: Counter[str] = Counter()
    for entry in found.sections["reconciled"]:
        cells[entry["file"]] += entry["cells"]
    lines = {name: [line for line in csv.reader(io.StringIO(text)) if any(line)] for name, text in texts.items()}
    assert cells["sen2_dmo_dco.csv"] == 3 * (len(lines["sen2_dmo_dco.csv"]) - 1)
    tribunals = lines["SEND Tribunals and appeal rate 2014-2024.csv"]
    assert cells["SEND Tribunals and appeal rate 2014-2024.csv"] == (len(tribunals) - 1) * len(tribunals[0])
    assert "Every cell is accounted for." in found.summary()
