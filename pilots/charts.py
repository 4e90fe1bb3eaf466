"""Every chart of the platform, authored in Altair and handed over as a plain Vega-Lite dictionary.

A `Picture` carries the chart, the title that says what it shows, its alt text and its table, all made from the same rows, so that
none of them can say something else. Colour is never the only signal: shape and dash repeat it.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    """One estimate to draw: its label, place on the axis, interval and, where it is known, the truth."""

    label: str
    position: float
    estimate: float | None
    lower: float | None
    upper: float | None
    truth: float | None = None
    strong: bool = False


def number(value: float | None, digits: int = 1) -> str:
    """Write a number for readers: a true minus sign, and a dash in words where there is none."""
    return "not known" if value is None else f"{value:+.{digits}f}".replace("-", "\u2212")


def interval(mark: Mark, digits: int = 1) -> str:
    """Write an estimate and its interval, as they stand in a table."""
    if mark.estimate is None:
        return "not known"
    if mark.lower is None or mark.upper is None:
        return number(mark.estimate, digits)
    return f"{number(mark.estimate, digits)} ({number(mark.lower, digits)} to {number(mark.upper, digits)})"


def event_study(marks: Sequence[Mark], *, outcome: str, unit: str, period: str, level: float) -> Picture:
    """Effects by periods since the start, before and after told apart by shape and colour.

    Args:
        marks: One a period since the start; position 0 is the first period with the reform.
        outcome: The outcome's label.
        unit: The effect's unit, such as "percentage points".
        period: What one step is, such as "term".
        level: The intervals' level, between 0 and 1.
    """
    frame = _frame(marks)
    frame["side"] = ["Before the start" if mark.position < 0 else "After the start" for mark in marks]
    x = altair.X(
        "position:Q",
        title=f"{period.capitalize()}s since the reform started",
        axis=altair.Axis(tickMinStep=1, format="d", grid=False),
    )
    side = altair.Color(
        "side:N", title=None, scale=altair.Scale(domain=["Before the start", "After the start"], range=[PLUM, BLUE])
    )
    shape = altair.Shape(
        "side:N", title=None, scale=altair.Scale(domain=["Before the start", "After the start"], range=["square", "circle"])
    )
    base = altair.Chart(frame)
    y = altair.Y("estimate:Q", title=f"Effect ({unit})")
    layers = [
        _zero_rule(horizontal=True),
        altair.Chart(pandas.DataFrame({"x": [-0.5]})).mark_rule(color=GREY, strokeDash=[4, 4]).encode(x="x:Q"),
        base.mark_rule(strokeWidth=2).encode(x=x, y=altair.Y("lower:Q", title=f"Effect ({unit})"), y2="upper:Q", color=side),
        base.mark_point(filled=True, size=90, opacity=1).encode(x=x, y=y, color=side, shape=shape, tooltip=["label", "text"]),
    ]
    if frame["truth"].notna().any():
        layers.append(base.mark_point(shape="diamond", size=130, color=ORANGE, strokeWidth=2, opacity=1).encode(x=x, y="truth:Q"))
    known = [mark for mark in marks if mark.estimate is not None]
    title = f"{outcome}: effect by {period}s since the start"
    after = [mark for mark in known if mark.position >= 0]
    alt = (
        f"Event study of {outcome}, in {unit}. {_described(known, 'before', lambda m: m.position < 0)} "
        f"{_described(after, 'after', lambda m: True)} Lines are {level:.0%} intervals."
    )
    return Picture(
        title, _finish(altair.layer(*layers), 320), alt, _table(marks, f"{period.capitalize()}s since the start", unit, level)
    )


def forest(marks: Sequence[Mark], *, title: str, what: str, unit: str, level: float) -> Picture:
    """Effects one under the other with their intervals, numbers written beside; `strong` rows are drawn as diamonds.

    Args:
        marks: One a row, top first.
        title: What the chart shows.
        what: What a row is, such as "region".
        unit: The effect's unit.
        level: The intervals' level, between 0 and 1.
    """
    frame = _frame(marks)
    frame["kind"] = ["All together" if mark.strong else what.capitalize() for mark in marks]
    order = [mark.label for mark in marks]
    y = altair.Y("label:N", sort=order, title=None, axis=altair.Axis(labelLimit=150, ticks=False, domain=False))
    kinds = [what.capitalize(), "All together"]
    colour = altair.Color("kind:N", legend=None, scale=altair.Scale(domain=kinds, range=[BLUE, PLUM]))
    shape = altair.Shape("kind:N", legend=None, scale=altair.Scale(domain=kinds, range=["circle", "diamond"]))
    base = altair.Chart(frame)
    layers = [
        _zero_rule(horizontal=False),
        base.mark_rule(strokeWidth=2).encode(y=y, x=altair.X("lower:Q", title=f"Effect ({unit})"), x2="upper:Q", color=colour),
        base.mark_point(filled=True, size=110, opacity=1).encode(
            y=y, x="estimate:Q", color=colour, shape=shape, tooltip=["label", "text"]
        ),
    ]
    if frame["truth"].notna().any():
        layers.append(base.mark_point(shape="diamond", size=130, color=ORANGE, strokeWidth=2, opacity=1).encode(y=y, x="truth:Q"))
    alt = (
        f"{title}, in {unit}. "
        + "; ".join(f"{mark.label} {interval(mark)}" for mark in marks)
        + f". Brackets are {level:.0%} intervals."
    )
    return Picture(
        title, _finish(altair.layer(*layers), 34 * len(marks) + 60), alt, _table(marks, what.capitalize(), unit, level)
    )


def timeline(spells: pandas.DataFrame, *, last: str) -> Picture:
    """Who had which reform when: one bar a spell.

    Args:
        spells: Columns region, authority, reform, start, end (dates as text; end empty while the reform goes on).
        last: The date up to which open spells are drawn.
    """
    frame = spells.assign(
        until=spells["end"].where(spells["end"].notna() & (spells["end"] != ""), last), open=spells["end"].isna()
    )
    frame = frame.groupby(["reform", "region", "start", "until", "open"], as_index=False).agg(
        authorities=("authority", "nunique")
    )
    bars = (
        altair.Chart(frame)
        .mark_bar(height=12, stroke=INK, strokeWidth=0.5)
        .encode(
            x=altair.X("start:T", title=None, axis=altair.Axis(format="%b %Y", labelAngle=0, tickCount=4)),
            x2="until:T",
            y=altair.Y("region:N", title=None, axis=altair.Axis(labelLimit=140)),
            color=altair.Color(
                "open:N",
                title=None,
                scale=altair.Scale(domain=[True, False], range=[BLUE, ORANGE]),
                legend=altair.Legend(labelExpr="datum.value ? 'Goes on' : 'Stopped'"),
            ),
            tooltip=["reform", "region", "start:T", "until:T", "authorities"],
        )
    )
    reforms = sorted(frame["reform"].unique())
    height = 22 * frame["region"].nunique()
    chart = altair.vconcat(
        *[bars.transform_filter(altair.datum.reform == name).properties(title=name, height=height, width=520) for name in reforms]
    )
    table = frame.rename(
        columns={"reform": "Reform", "region": "Region", "start": "Start", "until": "End", "authorities": "Local authorities"}
    )
    table["End"] = table["End"].where(~table.pop("open"), "goes on")
    stopped = int((~frame["open"]).sum())
    alt = f"Bars from start to end for {len(reforms)} reforms by region; {len(frame)} spells in all, {stopped} of them stopped."
    return Picture("Who has which reform, and since when", _themed(chart).to_dict(), alt, table)


def _frame(marks: Sequence[Mark]) -> pandas.DataFrame:
    columns = ["label", "position", "estimate", "lower", "upper", "truth"]
    frame = pandas.DataFrame([{name: getattr(mark, name) for name in columns} for mark in marks], columns=columns)
    frame[columns[1:]] = frame[columns[1:]].astype(float)
    frame["text"] = [interval(mark) for mark in marks]
    return frame


def _table(marks: Sequence[Mark], what: str, unit: str, level: float) -> pandas.DataFrame:
    rows = {what: [mark.label for mark in marks], f"Effect ({unit})": [number(mark.estimate, 2) for mark in marks]}
    rows[f"{level:.0%} interval"] = [
        "not known" if mark.lower is None else f"{number(mark.lower, 2)} to {number(mark.upper, 2)}" for mark in marks
    ]
    if any(mark.truth is not None for mark in marks):
        rows["True effect (synthetic)"] = [number(mark.truth, 2) for mark in marks]
    return pandas.DataFrame(rows)


def _described(marks: Sequence[Mark], when: str, keep: Any) -> str:
    chosen = [mark for mark in marks if keep(mark) and mark.estimate is not None]
    if not chosen:
        return f"There are no estimates {when} the start."
    estimates = [mark.estimate for mark in chosen if mark.estimate is not None]
    clear = sum(1 for mark in chosen if mark.lower is not None and mark.upper is not None and (mark.lower > 0 or mark.upper < 0))
    return (
        f"The {len(chosen)} estimates {when} the start run from {number(min(estimates))} to {number(max(estimates))}; "
        f"{clear} of them {'has an interval' if clear == 1 else 'have intervals'} that {'leaves' if clear == 1 else 'leave'} out zero."
    )


def _zero_rule(*, horizontal: bool) -> altair.Chart:
    chart = altair.Chart(pandas.DataFrame({"zero": [0]})).mark_rule(color=INK)
    return chart.encode(y="zero:Q") if horizontal else chart.encode(x="zero:Q")


def _finish(chart: altair.LayerChart, height: int) -> dict[str, Any]:
    return _themed(chart.properties(height=height, width="container")).to_dict()


def _themed(chart: Any) -> Any:
    text = {"labelFont": FONT, "titleFont": FONT, "labelFontSize": 14, "titleFontSize": 14, "labelColor": INK, "titleColor": INK}
    return (
        chart.configure_axis(**text, titleFontWeight="normal", gridColor="#e3e4e5", domainColor=GREY, tickColor=GREY)
        .configure_legend(labelFont=FONT, labelFontSize=14, labelColor=INK, orient="top", labelLimit=300)
        .configure_title(font=FONT, fontSize=16, color=INK, anchor="start")
        .configure_view(stroke=None)
        .configure(background="#ffffff", font=FONT)
    )
