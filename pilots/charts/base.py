"""What every chart shares: the picture with its words and table, numbers for readers, colours and theme."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import altair
import pandas

from pilots.wording import listed

BLUE, TURQUOISE, PLUM, ORANGE, INK, GREY = "#12436D", "#28A197", "#801650", "#F46A25", "#0b0c0c", "#505a5f"
LONG = 4  # times the median length: a longer interval is cut off in a picture
ROOM = 0.05  # of the picture's length, left at either end of what is not cut off
TOLD = 3  # lines that are cut off and told one by one
FONT = "Arial, Helvetica, sans-serif"


@dataclass(frozen=True)
class Picture:
    """A chart with the words and the table that belong to it.

    Attributes:
        title: What the chart shows, as a sentence.
        spec: The chart as a Vega-Lite dictionary.
        alt: The text for whoever does not see the chart.
        table: The same numbers, one row a mark, columns named for readers.
        note: What the chart leaves out, for whoever sees it; blank where it leaves out nothing.
    """

    title: str
    spec: dict[str, Any]
    alt: str
    table: pandas.DataFrame
    note: str = ""


@dataclass(frozen=True)
class Mark:
    """One estimate to draw: its label, place on the axis, interval and, where it is known, the truth.

    `strong` marks the row of all together; `reference` the period that the others are measured against, zero by definition.
    """

    label: str
    position: float
    estimate: float | None
    lower: float | None
    upper: float | None
    truth: float | None = None
    strong: bool = False
    reference: bool = False


def number(value: float | None, digits: int = 1) -> str:
    """Write a number for readers: a true minus sign, and a dash in words where there is none."""
    return "not known" if value is None else f"{value:+.{digits}f}".replace("-", "\u2212")


def interval(mark: Mark, digits: int = 1) -> str:
    """Write an estimate and its interval, as they stand in a table."""
    if mark.estimate is None:
        return "not known"
    if mark.reference:
        return "0 (the period that the others are measured against)"
    if mark.lower is None or mark.upper is None:
        return number(mark.estimate, digits)
    return f"{number(mark.estimate, digits)} ({number(mark.lower, digits)} to {number(mark.upper, digits)})"


def ends_of(mark: Mark, digits: int = 2) -> str:
    """Write the ends of an interval, as they stand in a table; its spaces do not break."""
    if mark.reference:
        return "none: the others are measured against it"
    if mark.lower is None or mark.upper is None:
        return "not known"
    return f"{number(mark.lower, digits)}\u00a0to\u00a0{number(mark.upper, digits)}"


@dataclass(frozen=True)
class Cut:
    """Marks as they are drawn: an interval many times as long as the others ends where the picture does, in an arrow.

    Attributes:
        marks: As they are drawn, in the order given.
        ends: Where a line is cut off: at (place of the mark in the list), label, position, value, up.
        note: Which lines go on, and how far; blank where none is cut off.
    """

    marks: list[Mark]
    ends: pandas.DataFrame
    note: str


def cut_off(marks: Sequence[Mark], what: str = "") -> Cut:
    """Cut off the intervals beside which all others could not be told apart; what is written and tabled stays whole.

    Args:
        marks: one a line.
        what: what a line is, where its label alone would not tell, such as “term”.
    """
    lengths = [one.upper - one.lower for one in marks if one.lower is not None and one.upper is not None]
    longest = LONG * median(lengths) if len(lengths) > 2 else float("inf")
    kept = [0.0]
    for one in marks:
        kept += [value for value in (one.estimate, one.truth) if value is not None]
        if one.lower is not None and one.upper is not None and one.upper - one.lower <= longest:
            kept += [one.lower, one.upper]
    room = ROOM * (max(kept) - min(kept))
    low, high = min(kept) - room, max(kept) + room
    drawn, ends, gone = [], [], []
    for at, one in enumerate(marks):
        if one.lower is None or one.upper is None or one.upper - one.lower <= longest:
            drawn.append(one)
            continue
        drawn.append(replace(one, lower=max(one.lower, low), upper=min(one.upper, high)))
        ends += [(at, one.label, one.position, low, False)] if one.lower < low else []
        ends += [(at, one.label, one.position, high, True)] if one.upper > high else []
        gone.append(f"{what} {one.label} ({number(one.lower)} to {number(one.upper)})".strip())
    frame = pandas.DataFrame(ends, columns=["at", "label", "position", "value", "up"])
    return Cut(drawn, frame, _goes_on(gone))


def _goes_on(gone: list[str]) -> str:
    if len(gone) > TOLD:
        return f"{len(gone)} lines end in an arrow: they go on, and the table has their ends."
    return f"A line that ends in an arrow goes on: {listed(gone)}." if gone else ""


def arrows(ends: pandas.DataFrame, *, horizontal: bool, down: int = 0, **places: Any) -> list[altair.Chart]:
    """Arrow heads where lines are cut off (`Cut.ends`), so many pixels down; `places` are the encodings of x and y."""
    shapes = {True: "triangle-right" if horizontal else "triangle-up", False: "triangle-left" if horizontal else "triangle-down"}
    return [
        altair.Chart(ends[ends["up"] == up])
        .mark_point(filled=True, size=70, opacity=1, color=INK, shape=shape, yOffset=down)
        .encode(**places)
        for up, shape in shapes.items()
        if (ends["up"] == up).any()
    ]


def names_axis() -> altair.Axis:
    """The axis of names at the left of a chart."""
    # Wide enough for “Yorkshire and The Humber”, and still half of a narrow screen at most.
    return altair.Axis(labelLimit=165, labelFontSize=13, ticks=False, domain=False, labelPadding=6)


def zero_rule(*, horizontal: bool) -> altair.Chart:
    """A line at zero."""
    chart = altair.Chart(pandas.DataFrame({"zero": [0]})).mark_rule(color=INK)
    return chart.encode(y="zero:Q") if horizontal else chart.encode(x="zero:Q")


def finish(chart: Any, height: int) -> dict[str, Any]:
    """The chart in the platform's theme, as a plain dictionary."""
    return _themed(chart.properties(height=height, width="container")).to_dict()


def _themed(chart: Any) -> Any:
    text = {"labelFont": FONT, "titleFont": FONT, "labelFontSize": 14, "titleFontSize": 14, "labelColor": INK, "titleColor": INK}
    return (
        chart.configure(background="#ffffff", font=FONT)  # first: it puts the whole configuration in place
        .configure_axis(**text, titleFontWeight="normal", gridColor="#e3e4e5", domainColor=GREY, tickColor=GREY)
        .configure_legend(labelFont=FONT, labelFontSize=14, labelColor=INK, orient="top", labelLimit=300)
        .configure_title(font=FONT, fontSize=16, color=INK, anchor="start")
        .configure_view(stroke=None)
    )


def told(base: altair.Chart, *, align: str, dx: int, y: int, words: str = "words:N", bold: bool = False) -> list[altair.Chart]:
    """Words beside a line at a height in pixels, with the same words in white below them so that no line runs through."""
    about: dict[str, Any] = {
        "align": align,
        "dx": dx,
        "fontSize": 13,
        "baseline": "top",
        "fontWeight": "bold" if bold else "normal",
    }
    placed = base.encode(y=altair.value(y), text=words)
    return [placed.mark_text(**about, stroke="#ffffff", strokeWidth=5), placed.mark_text(**about, color=INK)]
