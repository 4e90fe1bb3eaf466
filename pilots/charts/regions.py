"""Effects by region, each as its own figures give it and as it is drawn towards the mean of all; never ranked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import altair
import pandas

from pilots.charts.base import (
    BLUE,
    INK,
    ORANGE,
    PLUM,
    TURQUOISE,
    Mark,
    Picture,
    arrows,
    cut_off,
    ends_of,
    finish,
    interval,
    names_axis,
    number,
)
from pilots.charts.base import zero_rule as zero

OWN, DRAWN, ALL = "Own figures", "Drawn to the mean", "All together"
APART = 9  # pixels between a region's two marks and its line's middle


@dataclass(frozen=True)
class RegionMark:
    """One region's effect: its own, the shrunken one where there is one, and the ranks that it may have."""

    own: Mark
    shrunken: Mark | None = None
    ranks: tuple[int, int] | None = None


def regions(marks: Sequence[RegionMark], together: Mark, *, outcome: str, unit: str, level: float) -> Picture:
    """Effects by region in the order given, with all together below.

    Args:
        marks: One a region.
        together: The pooled effect.
        outcome: The outcome's label.
        unit: The effect's unit.
        level: The intervals' level, between 0 and 1.
    """
    rows = [(mark.own, OWN) for mark in marks] + [(mark.shrunken, DRAWN) for mark in marks if mark.shrunken] + [(together, ALL)]
    cut = cut_off([mark for mark, _ in rows])
    columns = ["label", "kind", "estimate", "lower", "upper", "truth", "text", "short"]
    drawn = zip(rows, cut.marks, strict=True)
    frame = pandas.DataFrame([_row(mark, line, kind) for (mark, kind), line in drawn], columns=columns)
    frame[columns[2:6]] = frame[columns[2:6]].astype(float)
    kinds = [kind for kind in (OWN, DRAWN, ALL) if (frame["kind"] == kind).any()]
    colours, shapes = {OWN: BLUE, DRAWN: TURQUOISE, ALL: PLUM}, {OWN: "circle", DRAWN: "square", ALL: "diamond"}
    legend = altair.Legend(columns=1)
    colour = altair.Color(
        "kind:N", title=None, legend=legend, scale=altair.Scale(domain=kinds, range=[colours[kind] for kind in kinds])
    )
    shape = altair.Shape(
        "kind:N", title=None, legend=legend, scale=altair.Scale(domain=kinds, range=[shapes[kind] for kind in kinds])
    )
    order = [mark.own.label for mark in marks] + [together.label]
    y = altair.Y("label:N", sort=order, title=None, axis=names_axis(), scale=altair.Scale(domain=order))
    layers = [zero(horizontal=False)]
    both = DRAWN in kinds
    for kind in kinds:
        down = {OWN: -APART if both else 0, DRAWN: APART, ALL: 0}[kind]
        layers += _drawn(altair.Chart(frame[frame["kind"] == kind]), kind, down, y, unit, colour, shape)
        mine = cut.ends.loc[[rows[at][1] == kind for at in cut.ends["at"]]]
        layers += arrows(mine, horizontal=True, down=down, y=y, x="value:Q")
    if frame["truth"].notna().any():
        truths = altair.Chart(frame[frame["truth"].notna()])
        layers.append(
            truths.mark_point(shape="diamond", size=150, color=ORANGE, strokeWidth=2, opacity=1).encode(y=y, x="truth:Q")
        )
    height = (56 if both else 40) * len(order) + 10
    return Picture(
        "Effect by region",
        finish(altair.layer(*layers), height),
        _alt(marks, together, outcome, unit, level),
        _table(marks, together, unit, level),
        cut.note,
    )


def _row(mark: Mark, line: Mark, kind: str) -> tuple[object, ...]:
    short = "" if mark.estimate is None or kind == DRAWN else number(mark.estimate)
    return mark.label, kind, mark.estimate, line.lower, line.upper, mark.truth, interval(mark), short


def _drawn(
    base: altair.Chart, kind: str, down: int, y: altair.Y, unit: str, colour: altair.Color, shape: altair.Shape
) -> list[altair.Chart]:
    dash = [4, 3] if kind == DRAWN else [1, 0]
    made = [
        base.mark_rule(strokeWidth=2, strokeDash=dash, yOffset=down).encode(
            y=y, x=altair.X("lower:Q", title=f"Effect ({unit})"), x2="upper:Q", color=colour
        ),
        base.mark_point(filled=True, size=100, opacity=1, yOffset=down).encode(
            y=y, x="estimate:Q", color=colour, shape=shape, tooltip=["label", "kind", "text"]
        ),
    ]
    if kind != DRAWN:
        # The same words in white below them, wider, so that no line runs through a number.
        words = base.encode(y=y, x="estimate:Q", text="short:N")
        made.append(words.mark_text(dy=down - 12, fontSize=12, stroke="#ffffff", strokeWidth=4))
        made.append(words.mark_text(dy=down - 12, fontSize=12, color=INK))
    return made


def _table(marks: Sequence[RegionMark], together: Mark, unit: str, level: float) -> pandas.DataFrame:
    every = [*(mark.own for mark in marks), together]
    rows = {"Region": [mark.label for mark in every], f"Effect ({unit})": [number(mark.estimate, 2) for mark in every]}
    rows[f"{level:.0%} interval"] = [ends_of(mark) for mark in every]
    if any(mark.shrunken for mark in marks):
        drawn = [mark.shrunken for mark in marks]
        rows["Drawn to the mean"] = [*("not known" if one is None else number(one.estimate, 2) for one in drawn), "the mean"]
        rows["Its interval"] = [*("not known" if one is None else ends_of(one) for one in drawn), ""]
    if any(mark.ranks for mark in marks):
        ranks = [f"{mark.ranks[0]} to {mark.ranks[1]} of {len(marks)}" if mark.ranks else "not known" for mark in marks]
        rows["Place that it may hold"] = [*ranks, ""]
    if any(mark.truth is not None for mark in every):
        rows["True effect (synthetic)"] = [number(mark.truth, 2) for mark in every]
    return pandas.DataFrame(rows)


def _alt(marks: Sequence[RegionMark], together: Mark, outcome: str, unit: str, level: float) -> str:
    told = []
    for mark in marks:
        drawn = "" if mark.shrunken is None else f", drawn to the mean {number(mark.shrunken.estimate)}"
        told.append(f"{mark.own.label} {interval(mark.own)}{drawn}")
    told.append(f"{together.label} {interval(together)}")
    return f"Effect by region: {outcome}, in {unit}. {'; '.join(told)}. Brackets are {level:.0%} intervals."
