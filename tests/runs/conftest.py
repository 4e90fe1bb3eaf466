"""A small release of Explore education statistics, made in code: 153 authorities, six years, a known effect in 2024."""

import csv
import io
import zipfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pytest

from pilots import published, releases, runs
from pilots.access import LOCAL_ADMINISTRATOR, RESEARCHER, Actor
from pilots.places import current_authorities, partnerships
from pilots.plans import named_plan
from pilots.releases import Release
from pilots.storage import Store

HEADER = (
    ["time_period", "time_identifier", "geographic_level", "country_code", "country_name", "region_code", "region_name"]
    + ["new_la_code", "old_la_code", "la_name", "breakdown_topic", "breakdown", "plans_issued_den", "plans_issued_den_ex"]
    + ["plans_issued_within_20_weeks", "plans_issued_20_weeks_ex"]
)
YEARS = range(2019, 2025)
EFFECT = 9  # more plans of each 100 in time, in 2024, where the programme runs

Figures = dict[tuple[str, int], tuple[int, int]]


def figures() -> Figures:
    """(plans issued, within 20 weeks) by authority and year; without noise but for a swing that authorities do not share."""
    treated = set(partnerships()["authority"])
    made = {}
    for number, code in enumerate(current_authorities()["authority"]):
        for year in YEARS:
            swing = (number * 7 + year * 3) % 11 - 5
            plans = 100 * (1 + number % 3)
            share = 40 + number % 20 + 2 * (year - 2019) + swing + EFFECT * (code in treated and year == 2024)
            made[code, year] = (plans, plans * share // 100)
    return made


def timeliness_zip(known: Figures, symbols: Mapping[tuple[str, int], str]) -> bytes:
    """The figures as a release: a zip with one CSV in its data folder; a symbol takes the place of an authority's figures."""
    place = current_authorities().set_index("authority")
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(HEADER)
    for (code, year), (plans, within) in known.items():
        where = [
            place.at[code, "region"],
            place.at[code, "region_name"],
            code,
            place.at[code, "old_code"],
            place.at[code, "name"],
        ]
        mark = symbols.get((code, year))
        cells = [mark] * 4 if mark else [plans, plans, within, within]
        fixed = [year, "Calendar year", "Local authority", "E92000001", "England"]
        table.writerow([*fixed, *where, "Total", "All EHC plans issued", *cells])
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data/timeliness_20_week.csv", text.getvalue())
    return packed.getvalue()


@pytest.fixture
def known() -> Figures:
    return figures()


def released_into(
    store: Store, known: Figures, symbols: Mapping[tuple[str, int], str] | None = None, name: str = "first"
) -> Release:
    """Take figures in as a published release and freeze them."""
    content = timeliness_zip(known, symbols or {})
    published.import_ees(store, LOCAL_ADMINISTRATOR, "education-health-and-care-plans_2025.zip", content)
    return releases.make_release(store, LOCAL_ADMINISTRATOR, name)


@pytest.fixture
def released(store: Store) -> Callable[..., Release]:
    return partial(released_into, store)


@pytest.fixture(scope="session")
def run_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, runs.Run]:
    """A store with one run of the shipped plan, and the run."""
    path = tmp_path_factory.mktemp("once") / "runs.sqlite"
    store = Store.open(f"sqlite:///{path}")
    released_into(store, figures())
    made = runs.evaluate(store, Actor("rita", "Rita Researcher", RESEARCHER), named_plan("ehcp_timeliness"))
    store.close()
    return path, made
