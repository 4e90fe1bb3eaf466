"""Effects with their intervals: by time since the start, and one under the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair
import pandas

from pilots.charts.base import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    PLUM,
    Cut,
    Mark,
    Picture,
    arrows,
    cut_off,
    ends_of,
    finish,
    interval,
    names_axis,
    number,
    zero_rule,
)


def event_study(marks: Sequence[Mark], *, outcome: str, unit: str, period: str, level: float) -> Picture:
    """Effects by periods since the start, before and after told apart by shape and colour.

    Args:
        marks: One a period since the start; position 0 is the first period with the reform.
        outcome: The outcome's label.
        unit: The effect's unit, such as "percentage points".
        period: What one step is, such as "term".
        level: The intervals' level, between 0 and 1.
    """
    cut = cut_off(marks, period)
    frame = _frame(marks, cut)
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
        zero_rule(horizontal=True),
        start.mark_rule(color=GREY, strokeDash=[4, 4]),
        start.mark_text(align="right", dx=-5, fontSize=13, color=INK).encode(y=altair.value(8), text="words:N"),
        base.mark_rule(strokeWidth=2).encode(x=x, y=altair.Y("lower:Q", scale=y_scale), y2="upper:Q", color=side),
        base.mark_point(filled=True, size=90, opacity=1).encode(x=x, y=y, color=side, shape=shape, tooltip=["label", "text"]),
    ]
    layers += arrows(cut.ends, horizontal=False, x=x, y=altair.Y("value:Q", scale=y_scale))
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
        title,
        finish(altair.layer(*layers), 320),
        alt,
        _table(marks, f"{period.capitalize()}s since the start", unit, level),
        cut.note,
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
    cut = cut_off(marks)
    frame = _frame(marks, cut)
    frame["kind"] = ["All together" if mark.strong else what.capitalize() for mark in marks]
    order = [mark.label for mark in marks]
    y = altair.Y("label:N", sort=order, title=None, axis=names_axis())
    kinds = [what.capitalize(), "All together"]
    colour = altair.Color("kind:N", legend=None, scale=altair.Scale(domain=kinds, range=[BLUE, PLUM]))
    shape = altair.Shape("kind:N", legend=None, scale=altair.Scale(domain=kinds, range=["circle", "diamond"]))
    base = altair.Chart(frame)
    layers = [
        zero_rule(horizontal=False),
        base.mark_rule(strokeWidth=2).encode(y=y, x=altair.X("lower:Q", title=f"Effect ({unit})"), x2="upper:Q", color=colour),
        base.mark_point(filled=True, size=110, opacity=1).encode(
            y=y, x="estimate:Q", color=colour, shape=shape, tooltip=["label", "text"]
        ),
        # The same words in white below them, wider, so that no line runs through a number.
        base.mark_text(dy=-13, fontSize=12, stroke="#ffffff", strokeWidth=4).encode(y=y, x="estimate:Q", text="short:N"),
        base.mark_text(dy=-13, fontSize=12, color=INK).encode(y=y, x="estimate:Q", text="short:N"),
    ]
    layers += arrows(cut.ends, horizontal=True, y=y, x="value:Q")
    if frame["truth"].notna().any():
        layers.append(base.mark_point(shape="diamond", size=130, color=ORANGE, strokeWidth=2, opacity=1).encode(y=y, x="truth:Q"))
    alt = (
        f"{title}: {outcome}, in {unit}. "
        + "; ".join(f"{mark.label} {interval(mark)}" for mark in marks)
        + f". Brackets are {level:.0%} intervals."
    )
    table = _table(marks, what.capitalize(), unit, level)
    return Picture(title, finish(altair.layer(*layers), 38 * len(marks) + 60), alt, table, cut.note)


def _frame(marks: Sequence[Mark], cut: Cut) -> pandas.DataFrame:
    columns = ["label", "position", "estimate", "lower", "upper", "truth"]
    frame = pandas.DataFrame([{name: getattr(mark, name) for name in columns} for mark in cut.marks], columns=columns)
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
