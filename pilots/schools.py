"""Plans that observe schools: which have the reform from when, and which can compare."""

import pandas as pd

from data_contracts import load_contract
from pilots import releases
from pilots.catalogue import reform
from pilots.errors import UserError
from pilots.frozen import Data
from pilots.periods import parse
from pilots.plans import Plan
from pilots.releases import Release


def school_starts(store: Data, release: Release, plan: Plan) -> dict[str, str]:
    """The first period in which each school has the reform, as the reform's collection tells."""
    told = reform(plan.reform).schools_from
    if told is None:
        raise UserError(f"No return says which schools have {reform(plan.reform).label} from when. Take unit out of the plan.")
    rows, school = releases.collection_rows(store, release, told.collection), load_contract(told.collection).with_role("school")
    mine = rows[releases.rows_meant(rows, told)]
    pairs = [] if school is None else zip(mine[school.name].astype(str), mine["period"].astype(str), strict=True)
    found: dict[str, str] = {}
    for who, period in pairs:
        if who not in found or parse(period) < parse(found[who]):
            found[who] = period
    return found


def on_from(units: pd.DataFrame, plan: Plan) -> dict[tuple[str, str], float]:
    """1 for each school and period from its start on."""
    mine = units[units["first_treated"].notna()]
    begun = {str(who): parse(str(start)) for who, start in zip(mine["school"], mine["first_treated"], strict=True)}
    return {(who, label): 1.0 for who, start in begun.items() for label in plan.periods if not parse(label) < start}


def without_schools_beside(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Leave out schools without the reform in authorities where another school has it: pupils move between them."""
    without = table["first_treated"].isna()
    beside = without & table["authority"].isin(table.loc[~without, "authority"])
    count = int(beside.sum())
    gone = "1 school is" if count == 1 else f"{count} schools are"
    words = f"{gone} left out: another school of the same authority has the reform, and pupils move."
    return table[~beside], [words] if beside.any() else []
