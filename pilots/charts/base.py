"""What every chart shares: the picture with its words and table, numbers for readers, colours and theme."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import altair
import pandas

BLUE, TURQUOISE, PLUM, ORANGE, INK, GREY = "#12436D", "#28A197", "#801650", "#F46A25", "#0b0c0c", "#505a5f"
FONT = "Arial, Helvetica, sans-serif"


@dataclass(frozen=True)
class Picture:
    """A chart with the words and the table that belong to it.

    Attributes:
        title: What the chart shows, as a sentence.
        spec: The chart as a Vega-Lite dictionary.
        alt: The text for whoever does not see the chart.
        table: The same numbers, one row a mark, columns named for readers.
    """

    title: str
    spec: dict[str, Any]
    alt: str
    table: pandas.DataFrame


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
