"""The specification curve: the effect under every declared set of choices, sorted, with the choices below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair
import pandas

from pilots.charts.base import BLUE, INK, PLUM, Mark, Picture, arrows, cut_off, ends_of, finish, number

ABOVE, BETWEEN, LINE, LEGEND = 210, 34, 21, 52  # pixels: the curve, the gap below it, one row of choices, what stands above
MANY = 30  # sets of choices from which marks are drawn finer
OTHER, PLAN = "Other choices", "The plan’s own"
MARK = "\u2005"  # a thin space before a choice's value tells it from the name of the choice


@dataclass(frozen=True)
class Specification:
    """One set of choices and what comes of it."""

    choices: Mapping[str, str]
    mark: Mark
    p_value: str
    plan: bool


def specification_curve(rows: Sequence[Specification], *, outcome: str, unit: str, level: float) -> Picture:
    """Effects sorted by size, each with its interval, above a matrix of what was chosen.

    Args:
        rows: One a set of choices that gives an effect, in any order; all name the same choices.
        outcome: The outcome's label.
        unit: The effect's unit.
        level: The intervals' level, between 0 and 1.
    """
    known = sorted((row for row in rows if row.mark.estimate is not None), key=lambda row: row.mark.estimate or 0.0)
    cut = cut_off([row.mark for row in known])
    curve, matrix, names, lines = _frames(known, cut.marks)
    height = ABOVE + BETWEEN + LINE * len(lines)
    domain = altair.Scale(domain=[-0.7, len(known) - 0.3], nice=False)
    legend = altair.Legend(columns=1)
    colours = altair.Scale(domain=[OTHER, PLAN], range=[BLUE, PLUM])
    colour = altair.Color("kind:N", title=None, scale=colours, legend=legend)
    axis = altair.Axis(orient="left", title=None, ticks=False, domain=False, grid=False, labelLimit=165, labelFontSize=12)
    axis.labelPadding, axis.labelExpr, axis.labelFontWeight = 6, "split(datum.label, '|')[1]", _bold(names)
    below = altair.Scale(type="band", padding=0.3, domain=lines, range=[ABOVE + BETWEEN, height])
    chosen = (
        altair.Chart(matrix)
        .mark_rect()
        .encode(
            x=altair.X("left:Q", axis=None, scale=domain),
            x2="right:Q",
            y=altair.Y("line:N", scale=below, sort=lines, axis=axis),
            color=colour,
            tooltip=["text"],
        )
    )
    chart = altair.layer(_curve(curve, cut.ends, unit, domain, colour, legend), chosen).resolve_scale(y="independent")
    title = "The effect under other reasonable choices"
    bare = sum(row.mark.lower is None or row.mark.upper is None for row in known)
    note = f"{bare} of {len(known)} points have no line: their interval is not known." if bare else ""
    return Picture(
        title,
        finish(chart, height + LEGEND),
        _alt(known, outcome, unit),
        _table(known, unit, level),
        f"{cut.note} {note}".strip(),
    )


def _curve(
    curve: pandas.DataFrame,
    ends: pandas.DataFrame,
    unit: str,
    domain: altair.Scale,
    colour: altair.Color,
    legend: altair.Legend,
) -> Any:
    """Effects with their intervals, in the order of size; the plan's own is a larger diamond."""
    x, effect, many = altair.X("at:Q", axis=None, scale=domain), altair.Scale(range=[ABOVE, 0], nice=True), len(curve) > MANY
    shapes = altair.Scale(domain=[OTHER, PLAN], range=["circle", "diamond"])
    size = altair.condition(altair.datum.kind == PLAN, altair.value(150), altair.value(22 if many else 55))
    lower = altair.Y("lower:Q", title=f"Effect ({unit})", scale=effect, axis=altair.Axis(grid=False))
    base = altair.Chart(curve)
    return altair.layer(
        altair.Chart(pandas.DataFrame({"zero": [0]})).mark_rule(color=INK).encode(y=altair.Y("zero:Q", scale=effect)),
        base.mark_rule(strokeWidth=1.5 if many else 3).encode(x=x, y=lower, y2="upper:Q", color=colour),
        base.mark_point(filled=True, opacity=1).encode(
            x=x,
            y=altair.Y("estimate:Q", scale=effect),
            color=colour,
            shape=altair.Shape("kind:N", title=None, scale=shapes, legend=legend),
            size=size,
            tooltip=["text"],
        ),
        *arrows(ends, horizontal=False, x=x, y=altair.Y("value:Q", scale=effect)),
    )


def _bold(names: Sequence[str]) -> Any:
    test = " || ".join(f"datum.label == '{name}|{name}'" for name in names)
    return {"condition": {"test": test, "value": "bold"}, "value": "normal"}


def _frames(
    known: Sequence[Specification], drawn: Sequence[Mark]
) -> tuple[pandas.DataFrame, pandas.DataFrame, list[str], list[str]]:
    """The curve's rows, the matrix's rows, the names of the choices, and the matrix's lines, top first."""
    names = list(dict.fromkeys(name for row in known for name in row.choices))
    values = {name: list(dict.fromkeys(row.choices[name] for row in known if name in row.choices)) for name in names}
    # A choice that is the same everywhere is none.
    names = [name for name in names if len(values[name]) > 1] or names
    lines = [line for name in names for line in (f"{name}|{name}", *(f"{name}|{MARK}{value}" for value in values[name]))]
    curve = pandas.DataFrame(
        [
            (at, row.mark.estimate, line.lower, line.upper, PLAN if row.plan else OTHER, row.mark.label)
            for at, (row, line) in enumerate(zip(known, drawn, strict=True))
        ],
        columns=["at", "estimate", "lower", "upper", "kind", "text"],
    )
    curve[["estimate", "lower", "upper"]] = curve[["estimate", "lower", "upper"]].astype(float)
    matrix = pandas.DataFrame(
        [
            (at - 0.36, at + 0.36, f"{name}|{MARK}{row.choices[name]}", PLAN if row.plan else OTHER, row.mark.label)
            for at, row in enumerate(known)
            for name in names
            if name in row.choices
        ],
        columns=["left", "right", "line", "kind", "text"],
    )
    return curve, matrix, names, lines


def _alt(known: Sequence[Specification], outcome: str, unit: str) -> str:
    estimates = [row.mark.estimate or 0.0 for row in known]
    clear = sum(
        1
        for row in known
        if row.mark.lower is not None and row.mark.upper is not None and (row.mark.lower > 0 or row.mark.upper < 0)
    )
    own = next((at for at, row in enumerate(known) if row.plan), None)
    where = "" if own is None else f" The plan’s own is number {own + 1} from the lowest, {number(estimates[own])}."
    return (
        f"{len(known)} sets of choices for {outcome}. The effects run from {number(min(estimates))} to {number(max(estimates))} "
        f"{unit}; {clear} intervals leave out zero.{where} Squares below show what was chosen."
    )


def _table(known: Sequence[Specification], unit: str, level: float) -> pandas.DataFrame:
    names = list(dict.fromkeys(name for row in known for name in row.choices))
    columns: dict[str, list[str]] = {name: [row.choices.get(name, "") for row in known] for name in names}
    columns[f"Effect ({unit})"] = [number(row.mark.estimate, 2) for row in known]
    columns[f"{level:.0%} interval"] = [ends_of(row.mark) for row in known]
    columns["p-value"] = [row.p_value for row in known]
    columns["The plan’s own"] = ["yes" if row.plan else "" for row in known]
    return pandas.DataFrame(columns)


__all__ = ["Specification", "specification_curve"]
