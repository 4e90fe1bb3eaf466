"""Which outcomes of the catalogue a release feeds, how far, and which breaks in the series it spans."""

from typing import Any

import pandas as pd

from pilots.catalogue import Outcome, outcomes
from pilots.periods import ordered, parse
from pilots.published.cells import UNUSABLE
from pilots.published.figures import expected
from pilots.published.remarks import Remarks

PRESENT, BLANK, ABSENT, NOTHING_TO_DIVIDE, NOT_USABLE = "figure", "blank", "absent", "zero_denominator", "unusable"


def feeds(publication: str, table: pd.DataFrame, remarks: Remarks) -> list[dict[str, Any]]:
    """The catalogue's outcomes that the figures give, with their counts.

    Args:
        publication: whose figures they are.
        table: one row a figure: measure, period, authority, value, symbol.
        remarks: gets the outcomes of which only a part is there.

    Returns:
        One mapping an outcome: outcome, label; authorities (with a row), first, last and periods (with a number);
        cells (authority and period: rows, and authorities expected without a row), figures, missing (cells less figures), and
        what is missing: missing_by_symbol, blank, absent (no row), zero_denominator, unusable; empty_periods (rows, but no
        number).
    """
    found = []
    have = set(table["measure"])
    for outcome in outcomes():
        parts = list(dict.fromkeys([*outcome.numerator, *outcome.denominator]))
        lacking = [part for part in parts if part not in have]
        if outcome.source != publication or len(lacking) == len(parts):
            continue
        if lacking:
            remarks.notes.append(f"“{outcome.label}” cannot be made from this file: it does not give {', '.join(lacking)}.")
            continue
        states = _states(outcome, parts, table)
        if len(states):
            found.append(_counted(outcome, states))
    return found


def _states(outcome: Outcome, parts: list[str], table: pd.DataFrame) -> pd.DataFrame:
    """Authority, period and state of each cell: `figure`, `blank`, `absent`, `zero_denominator`, `unusable`, or the symbol."""
    mine = table[table["measure"].isin(parts)]
    covered = mine.groupby("period")["measure"].nunique()
    periods = [period for period in covered.index[covered == len(parts)] if parse(str(period)).kind == outcome.frequency]
    mine = mine[mine["period"].isin(periods)]
    state = (
        mine["symbol"]
        .replace(UNUSABLE, NOT_USABLE)
        .where(mine["symbol"].notna(), mine["value"].isna().map({True: BLANK, False: PRESENT}))
    )
    index = ["authority", "period"]
    wide = mine.assign(state=state).pivot(index=index, columns="measure", values="state")
    values = mine.pivot(index=index, columns="measure", values="value").reindex(columns=parts)
    rows = set(wide.index)
    more = [(code, period) for period in periods for code in expected(period) if (code, period) not in rows]
    wide = wide.reindex(columns=parts).fillna(ABSENT)
    # The first part that has no number says why the cell has none.
    first = wide.where(wide != PRESENT).bfill(axis=1).iloc[:, 0].fillna(PRESENT)
    if outcome.denominator:
        nothing = values[list(outcome.denominator)].sum(axis=1) == 0
        first = first.mask((first == PRESENT) & nothing, NOTHING_TO_DIVIDE)
    cells = first.rename("state").reset_index()
    absent = pd.DataFrame(more, columns=index).assign(state=ABSENT)
    return pd.concat([cells, absent], ignore_index=True) if more else cells


def _counted(outcome: Outcome, states: pd.DataFrame) -> dict[str, Any]:
    present = states["state"] == PRESENT
    counts = states.loc[~present, "state"].value_counts()
    filled = ordered(states.loc[present, "period"])
    own = (BLANK, ABSENT, NOTHING_TO_DIVIDE, NOT_USABLE)
    return {
        "outcome": outcome.id,
        "label": outcome.label,
        "authorities": int(states.loc[states["state"] != ABSENT, "authority"].nunique()),
        "first": filled[0] if filled else "",
        "last": filled[-1] if filled else "",
        "periods": filled,
        "cells": len(states),
        "figures": int(present.sum()),
        "missing": int((~present).sum()),
        "missing_by_symbol": {str(key): int(count) for key, count in sorted(counts.items()) if key not in own},
        **{key: int(counts.get(key, 0)) for key in own},
        "empty_periods": [period for period in ordered(states["period"]) if period not in filled],
    }


def tell_breaks(fed: list[dict[str, Any]], remarks: Remarks) -> None:
    """Tell the breaks in the series of the outcomes that have figures from before and after."""
    labels: dict[tuple[str, str], list[str]] = {}
    spans = {entry["outcome"]: (entry["first"], entry["last"]) for entry in fed if entry["first"]}
    for outcome in outcomes():
        for one in outcome.breaks if outcome.id in spans else ():
            first, last = (parse(period) for period in spans[outcome.id])
            if first < parse(one.period) and not last < parse(one.period):
                labels.setdefault((one.period, one.text), []).append(outcome.label)
    for (period, text), listed in labels.items():
        remarks.add("breaks", period=period, text=text, outcomes="; ".join(listed))
