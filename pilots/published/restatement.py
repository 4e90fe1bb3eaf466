"""What changed between two vintages of one release: a restatement is told, and overwrites nothing."""

import pandas as pd

from pilots.places import names
from pilots.published.cells import shown
from pilots.published.figures import KEY, NO_ROW
from pilots.published.remarks import Remarks


def resolved(values: pd.DataFrame) -> pd.DataFrame:
    """Of the figures of several vintages of one publication, those that count.

    Args:
        values: as `vintage_values` gives them, vintages in the order in which they came.

    Returns:
        The rows of the newest edition (of it, the newest vintage) that has a measure in a period, as a whole: figures of two
        vintages are never mixed within one measure and period.
    """
    if values.empty:
        return values
    order = {reference: at for at, reference in enumerate(values["reference"].unique())}
    rank = values["edition"].rank(method="dense") * len(order) + values["reference"].map(order)
    best = rank.groupby([values["measure"], values["period"]]).transform("max")
    return values[rank == best].sort_values(KEY).reset_index(drop=True)


def tell_changes(before: pd.DataFrame, now: pd.DataFrame, remarks: Remarks) -> int:
    """Tell every figure that is not what an earlier vintage of the same release had.

    Args:
        before: the figures that counted until now, with their `reference`.
        now: the new ones; measures and periods that only one side has are no change.
        remarks: gets measure, period, authority, old and new figure.

    Returns:
        How many figures changed.
    """
    pairs = ["measure", "period"]
    both = before[pairs].drop_duplicates().merge(now[pairs].drop_duplicates())
    old = before.merge(both)[[*KEY, "value", "symbol", "reference"]]
    new = now.merge(both)[[*KEY, "value", "symbol"]]
    joined = old.merge(new, on=KEY, how="outer", suffixes=("_old", "_new"), indicator="where")
    same_value = (joined["value_old"] == joined["value_new"]) | (joined["value_old"].isna() & joined["value_new"].isna())
    same_symbol = joined["symbol_old"].fillna("") == joined["symbol_new"].fillna("")
    changed = joined[(joined["where"] != "both") | ~same_value | ~same_symbol]
    against = old.groupby(pairs)["reference"].first()
    known = names()
    for row in changed.sort_values(KEY).to_dict("records"):
        remarks.add(
            "restated",
            measure=row["measure"],
            period=row["period"],
            name=known.get(row["authority"], ""),
            authority=row["authority"],
            old=NO_ROW if row["where"] == "right_only" else shown(row["value_old"], row["symbol_old"]),
            new=NO_ROW if row["where"] == "left_only" else shown(row["value_new"], row["symbol_new"]),
            against=against[(row["measure"], row["period"])],
        )
    return len(changed)
