"""A store of its own for each test, small releases built in code, and the real ones where they are at hand."""

import importlib.util
import io
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pilots.access import LOCAL_ADMINISTRATOR
from pilots.published import ImportReport, import_ees
from pilots.storage import Store

SPEC = importlib.util.spec_from_file_location("published_small", Path(__file__).with_name("small.py"))
assert SPEC and SPEC.loader  # this folder is no package: the tests import the module by this name
sys.modules[SPEC.name] = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(sys.modules[SPEC.name])

SHARED = Path(__file__).resolve().parents[2] / ".." / "shared"
PLACES = {
    "E06000001": ("805", "Hartlepool", "E12000001", "North East"),
    "E08000037": ("390", "Gateshead", "E12000001", "North East"),
    "E06000016": ("856", "Leicester", "E12000004", "East Midlands"),
    "E10000018": ("855", "Leicestershire", "E12000004", "East Midlands"),
    "E06000018": ("892", "Nottingham", "E12000004", "East Midlands"),
    "E08000019": ("373", "Sheffield", "E12000003", "Yorkshire and The Humber"),
    "E08000039": ("373", "Sheffield", "E12000003", "Yorkshire and The Humber"),
    "E10000002": ("825", "Buckinghamshire", "E12000008", "South East"),
    "E10000006": ("909", "Cumbria", "E12000002", "North West"),
    "E06000063": ("942", "Cumberland", "E12000002", "North West"),
}
TIMELINESS = [
    "plans_issued_den",
    "plans_issued_den_ex",
    "plans_issued_within_20_weeks",
    "plans_issued_20_weeks_ex",
    "pc_plans_issued_within_20_weeks",
    "PC_plans_issued_20_weeks_ex",
    "plans_issued_gt_1_year",
]
GUIDANCE = "Education, health and care plans\nReporting year 2025\n\nDescription\n"

CsvMaker = Callable[..., str]
ZipMaker = Callable[..., bytes]


@pytest.fixture(scope="session")
def make_csv() -> CsvMaker:
    """Text of a data file: one row for each (period, code, *cells), all totals; a region's code makes its row."""

    def make(
        rows: list[tuple[str, ...]], columns: list[str] | None = None, label: str = "All EHC plans issued", **more: str
    ) -> str:
        identifier = more.get("identifier", "Calendar year")
        head = "time_period,time_identifier,geographic_level,country_code,country_name,region_code,region_name,"
        head += "new_la_code,old_la_code,la_name,breakdown_topic,breakdown," + ",".join(
            TIMELINESS if columns is None else columns
        )
        lines = [head]
        for period, code, *cells in rows:
            if code.startswith("E12"):
                where = ["Regional", "E92000001", "England", code, code, "", "", ""]
            else:
                old, name, region, region_name = PLACES.get(code, ("999", "Nowhere", "E12000001", "North East"))
                where = ["Local authority", "E92000001", "England", region, region_name, code, old, name]
            lines.append(",".join([period, identifier, *where, label, label, *cells]))
        return "\n".join(lines) + "\n"

    return make


@pytest.fixture(scope="session")
def make_zip() -> ZipMaker:
    """A release's zip: data files by name, and its guidance."""

    def make(files: dict[str, str | bytes], guidance: str | None = GUIDANCE) -> bytes:
        held = io.BytesIO()
        with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
            if guidance is not None:
                archive.writestr("data-guidance/data-guidance.txt", guidance)
            for name, text in files.items():
                archive.writestr(name if "/" in name else f"data/{name}", text)
        return held.getvalue()

    return make


@pytest.fixture
def take(store: Store) -> Callable[[str, bytes], ImportReport]:
    """Import into the test's store as the local administrator."""
    return lambda filename, content: import_ees(store, LOCAL_ADMINISTRATOR, filename, content)


@pytest.fixture(scope="session")
def release_bytes() -> Callable[[str], bytes]:
    """The real zip of an edition; the test is skipped where it is not at hand."""

    def read(edition: str) -> bytes:
        path = SHARED / "data" / "ees_zips" / f"education-health-and-care-plans_{edition}.zip"
        if not path.exists():
            pytest.skip(f"the real release of {edition} is not at hand (../shared/data/ees_zips)")
        return path.read_bytes()

    return read


@pytest.fixture(scope="session")
def real(
    release_bytes: Callable[[str], bytes], lasting_url: Callable[[], str]
) -> Iterator[tuple[Store, dict[str, ImportReport]]]:
    """A store with the real releases of 2025 and 2022, imported in this order, and their reports."""
    contents = {edition: release_bytes(edition) for edition in ("2025", "2022")}
    opened = Store.open(lasting_url())
    reports = {
        edition: import_ees(opened, LOCAL_ADMINISTRATOR, f"education-health-and-care-plans_{edition}.zip", content)
        for edition, content in contents.items()
    }
    yield opened, reports
    opened.close()
