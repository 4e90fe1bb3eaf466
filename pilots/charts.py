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
SPELL_COLUMNS = {
    "authority": "Local authority",
    "region": "Region",
    "start": "Start",
    "end": "End",
    "stage": "Stage",
    "intensity": "Intensity",
    "halted_reason": "Why it ended",
}
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
    sides = ["Before the start", "After the start"]
    ends = [min(mark.position for mark in marks) - 0.5, max(mark.position for mark in marks) + 0.5]
    axis = altair.Axis(values=[mark.position for mark in marks], format="d", grid=False, labelOverlap=True)
    x = altair.X(
        "position:Q", title=f"{period.capitalize()}s since the reform started", axis=axis, scale=altair.Scale(domain=ends)
    )
    y_scale = altair.Scale(nice=True, padding=6)
    y = altair.Y("estimate:Q", title=f"Effect ({unit})", scale=y_scale)
    side = altair.Color("side:N", title=None, scale=altair.Scale(domain=sides, range=[PLUM, BLUE]))
    shape = altair.Shape("side:N", title=None, scale=altair.Scale(domain=sides, range=["square", "circle"]))
    base = altair.Chart(frame)
    start = altair.Chart(pandas.DataFrame({"x": [-0.5], "words": ["Start"]})).encode(
        x=altair.X("x:Q", scale=altair.Scale(domain=ends, nice=False))
    )
    layers = [
        _zero_rule(horizontal=True),
        start.mark_rule(color=GREY, strokeDash=[4, 4]),
        start.mark_text(align="right", dx=-5, fontSize=13, color=INK).encode(y=altair.value(8), text="words:N"),
        base.mark_rule(strokeWidth=2).encode(x=x, y=altair.Y("lower:Q", scale=y_scale), y2="upper:Q", color=side),
        base.mark_point(filled=True, size=90, opacity=1).encode(x=x, y=y, color=side, shape=shape, tooltip=["label", "text"]),
    ]
    told = frame["truth"].notna() & (frame["position"] >= 0)  # before the start there is no effect: nothing to show
    if told.any():
        truth = altair.Chart(frame[told]).mark_point(shape="diamond", size=130, color=ORANGE, strokeWidth=2, opacity=1)
        layers.append(truth.encode(x=x, y="truth:Q"))
    known = [mark for mark in marks if mark.estimate is not None and not mark.reference]
    title = f"Effect by {period}s since the start"
    after = [mark for mark in known if mark.position >= 0]
    alt = (
        f"Event study of {outcome}, in {unit}. {_described(known, 'before', lambda m: m.position < 0)} "
        f"{_described(after, 'after', lambda m: True)} Lines are {level:.0%} intervals."
    )
    return Picture(
        title, _finish(altair.layer(*layers), 320), alt, _table(marks, f"{period.capitalize()}s since the start", unit, level)
    )


def forest(marks: Sequence[Mark], *, title: str, outcome: str, what: str, unit: str, level: float) -> Picture:
    """Effects one under the other with their intervals, each number written above its mark; `strong` rows are drawn as diamonds.

    Args:
        marks: One a row, top first.
        title: What the chart shows.
        outcome: The outcome's label.
        what: What a row is, such as "region".
        unit: The effect's unit.
        level: The intervals' level, between 0 and 1.
    """
    frame = _frame(marks)
    frame["kind"] = ["All together" if mark.strong else what.capitalize() for mark in marks]
    order = [mark.label for mark in marks]
    y = altair.Y("label:N", sort=order, title=None, axis=_names_axis())
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
        # The same words in white below them, wider, so that no line runs through a number.
        base.mark_text(dy=-13, fontSize=12, stroke="#ffffff", strokeWidth=4).encode(y=y, x="estimate:Q", text="short:N"),
        base.mark_text(dy=-13, fontSize=12, color=INK).encode(y=y, x="estimate:Q", text="short:N"),
    ]
    if frame["truth"].notna().any():
        layers.append(base.mark_point(shape="diamond", size=130, color=ORANGE, strokeWidth=2, opacity=1).encode(y=y, x="truth:Q"))
    alt = (
        f"{title}: {outcome}, in {unit}. "
        + "; ".join(f"{mark.label} {interval(mark)}" for mark in marks)
        + f". Brackets are {level:.0%} intervals."
    )
    return Picture(
        title, _finish(altair.layer(*layers), 38 * len(marks) + 60), alt, _table(marks, what.capitalize(), unit, level)
    )


def signed_weights(rows: pandas.DataFrame, *, title: str, period: str) -> Picture:
    """Weights by periods since the start, those above zero and those below it apart by side, colour and hatch of their name.

    Args:
        rows: Columns event_time, positive (0 or more), negative (0 or less).
        title: What the chart shows.
        period: What one step is, such as "term".
    """
    long = rows.melt(id_vars="event_time", value_vars=["positive", "negative"], var_name="sign", value_name="weight")
    long["sign"] = long["sign"].map({"positive": "Above zero", "negative": "Below zero"})
    signs = altair.Scale(domain=["Above zero", "Below zero"], range=[BLUE, ORANGE])
    bars = (
        altair.Chart(long)
        .mark_bar(stroke=INK, strokeWidth=0.5, size=28)
        .encode(
            x=altair.X("event_time:O", title=f"{period.capitalize()}s since the reform started", axis=altair.Axis(labelAngle=0)),
            y=altair.Y("weight:Q", title="Weight, added up"),
            color=altair.Color("sign:N", title=None, scale=signs),
            tooltip=["event_time", "sign", "weight"],
        )
    )
    total = float(rows["negative"].sum())
    below = f"{number(total, 2)} in all" if total < 0 else "none"
    alt = f"{title}. Weights of the effects on treated cells add up to 1; those below zero: {below}."
    table = pandas.DataFrame(
        {
            f"{period.capitalize()}s since the start": [str(step) for step in rows["event_time"]],
            "Weights above zero": [number(value, 3) for value in rows["positive"]],
            "Weights below zero": [number(value, 3) if value else "none" for value in rows["negative"]],
        }
    )
    return Picture(title, _finish(altair.layer(_zero_rule(horizontal=True), bars), 240), alt, table)


def comparisons(rows: pandas.DataFrame, *, title: str, unit: str) -> Picture:
    """The two-by-two comparisons behind a two-way number: estimate against weight, kinds told apart by shape and colour.

    Args:
        rows: Columns kind, treated, untreated (labels), estimate, weight.
        title: What the chart shows.
        unit: The effect's unit.
    """
    kinds = list(dict.fromkeys(rows["kind"]))
    colour = altair.Color("kind:N", title=None, scale=altair.Scale(domain=kinds, range=[BLUE, TURQUOISE, ORANGE][: len(kinds)]))
    shapes = altair.Scale(domain=kinds, range=["circle", "square", "triangle-up"][: len(kinds)])
    points = (
        altair.Chart(rows)
        .mark_point(filled=True, size=130, opacity=1, stroke=INK, strokeWidth=0.5)
        .encode(
            x=altair.X("weight:Q", title="Weight in the two-way number"),
            y=altair.Y("estimate:Q", title=f"Effect ({unit})"),
            color=colour,
            shape=altair.Shape("kind:N", title=None, scale=shapes),
            tooltip=["kind", "treated", "untreated", "estimate", "weight"],
        )
    )
    shares = rows.groupby("kind", sort=False)["weight"].sum()
    alt = (
        f"{title}: {len(rows)} comparisons. "
        + "; ".join(f"{kind}: {share:.0%} of the weight" for kind, share in shares.items())
        + "."
    )
    table = pandas.DataFrame(
        {
            "Comparison": rows["kind"],
            "Starts": rows["treated"],
            "Compared with": rows["untreated"],
            f"Effect ({unit})": [number(value, 2) for value in rows["estimate"]],
            "Weight": [f"{value:.3f}" for value in rows["weight"]],
        }
    )
    return Picture(title, _finish(altair.layer(_zero_rule(horizontal=True), points), 300), alt, table)


def timeline(spells: pandas.DataFrame, *, reform: str, last: str) -> Picture:
    """Who had one reform when: one bar a spell, one row an authority, those of a region together.

    Args:
        spells: Columns region and authority (names, in the order wanted), start, end (ISO dates; no end while it goes on), stage,
            intensity, halted_reason.
        reform: The reform's label.
        last: The date up to which open spells are drawn.
    """
    frame = spells[["region", "authority", "start", "end"]].copy()
    # A spell that another of the same authority follows has ended for the next stage; the reform goes on.
    stopped = frame["end"].notna() & (frame["start"] == frame.groupby("authority")["start"].transform("max"))
    frame["until"], frame["state"] = frame["end"].fillna(last), stopped.map({True: "Stopped", False: "Goes on"})
    rows = list(dict.fromkeys(frame["authority"]))
    tooltip = ["authority", "region", "start:T", "until:T", "state"]
    y = altair.Y("authority:N", title=None, sort=rows, axis=_names_axis())
    x = altair.X("start:T", title=None, axis=altair.Axis(format="%b %Y", labelAngle=0, tickCount=4))
    states = altair.Scale(domain=["Goes on", "Stopped"], range=[BLUE, ORANGE])
    bars = altair.Chart(frame).mark_bar(height=12, stroke=INK, strokeWidth=0.5)
    layers = [bars.encode(x=x, x2="until:T", y=y, color=altair.Color("state:N", title=None, scale=states), tooltip=tooltip)]
    if stopped.any():
        # A stop is told by a mark as well as by colour.
        crosses = altair.Chart(frame[stopped]).mark_point(shape="cross", filled=True, size=110, color=INK, opacity=1)
        layers.append(crosses.encode(x="until:T", y=y, tooltip=tooltip))
    first, latest = frame["start"].min(), frame["start"].max()
    alt = (
        f"Bars from start to end of “{reform}” in {len(rows)} local authorities; {int(stopped.sum())} of {len(frame)} spells "
        f"stopped. The first started on {first}, the last on {latest}."
    )
    table = spells[list(SPELL_COLUMNS)].rename(columns=SPELL_COLUMNS).assign(End=spells["end"].fillna("goes on"))
    return Picture(f"{reform}: who has it, and since when", _finish(altair.layer(*layers), 22 * len(rows) + 40), alt, table)


def _frame(marks: Sequence[Mark]) -> pandas.DataFrame:
    columns = ["label", "position", "estimate", "lower", "upper", "truth"]
    frame = pandas.DataFrame([{name: getattr(mark, name) for name in columns} for mark in marks], columns=columns)
    frame[columns[1:]] = frame[columns[1:]].astype(float)
    frame["text"] = [interval(mark) for mark in marks]
    frame["short"] = ["" if mark.estimate is None else number(mark.estimate) for mark in marks]
    return frame


def _table(marks: Sequence[Mark], what: str, unit: str, level: float) -> pandas.DataFrame:
    rows = {what: [mark.label for mark in marks], f"Effect ({unit})": [number(mark.estimate, 2) for mark in marks]}
    rows[f"{level:.0%} interval"] = [ends_of(mark) for mark in marks]
    if any(mark.truth is not None for mark in marks):
        rows["True effect (synthetic)"] = [number(mark.truth, 2) for mark in marks]
    return pandas.DataFrame(rows)


def _described(marks: Sequence[Mark], when: str, keep: Any) -> str:
    chosen = [mark for mark in marks if keep(mark) and mark.estimate is not None]
    if not chosen:
        return f"There are no estimates {when} the start."
    estimates = [mark.estimate for mark in chosen if mark.estimate is not None]
    clear = sum(1 for mark in chosen if mark.lower is not None and mark.upper is not None and (mark.lower > 0 or mark.upper < 0))
    if len(chosen) == 1:
        return f"The one estimate {when} the start is {interval(chosen[0])}."
    intervals = "has an interval that leaves" if clear == 1 else "have intervals that leave"
    return (
        f"The {len(chosen)} estimates {when} the start run from {number(min(estimates))} to {number(max(estimates))}; "
        f"{clear} of them {intervals} out zero."
    )


def _names_axis() -> altair.Axis:
    # Wide enough for “Yorkshire and The Humber”, and still half of a narrow screen at most.
    return altair.Axis(labelLimit=165, labelFontSize=13, ticks=False, domain=False, labelPadding=6)


def _zero_rule(*, horizontal: bool) -> altair.Chart:
    chart = altair.Chart(pandas.DataFrame({"zero": [0]})).mark_rule(color=INK)
    return chart.encode(y="zero:Q") if horizontal else chart.encode(x="zero:Q")


def _finish(chart: Any, height: int) -> dict[str, Any]:
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
