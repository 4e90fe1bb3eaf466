"""Forecasts held against what came: of returns that say first what is expected of a year, and then what it was."""

import pandas as pd

from pilots.catalogue import Forecast

CAME, EXPECTED = "came", "expected"


def held_against(rows: pd.DataFrame, about: Forecast, column: str) -> pd.DataFrame:
    """The last forecast of each figure that has come, beside it.

    A forecast of an earlier return stands before one of the same return, which may have been made when the year was nearly over;
    of the same return only earlier versions count.

    Args:
        rows: typed rows of a collection, under the codes of today.
        about: in which columns the year, the version and the kind of figure stand.
        column: with the figure.

    Returns:
        authority, period (the year that was expected), came, expected; one row a figure of which both are known.
    """
    key = ["authority", *about.by, about.year]
    order = [about.version, "period"]
    wanted = rows[[*dict.fromkeys([*key, *order]), about.basis, column]].dropna(subset=[column])
    of_basis = {name: wanted[wanted[about.basis].astype(str) == name] for name in (about.came, about.expected)}
    came = of_basis[about.came].sort_values(order[::-1], kind="stable").drop_duplicates(key, keep="last")
    both = came.merge(of_basis[about.expected], on=key, suffixes=("", "_then"))
    earlier, same = both["period_then"] < both["period"], both["period_then"] == both["period"]
    both = both[earlier | (same & (both[f"{about.version}_then"] < both[about.version]))]
    both = both.assign(earlier=both["period_then"] < both["period"])
    last = both.sort_values(["earlier", "period_then", f"{about.version}_then"], kind="stable").drop_duplicates(key, keep="last")
    names = {about.year: "period", column: CAME, f"{column}_then": EXPECTED}
    return last.drop(columns="period").rename(columns=names)[["authority", "period", CAME, EXPECTED]].reset_index(drop=True)
