"""Whether to believe an effect: how much drift it withstands, what chance alone gives, and how small an effect could be seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import floor

import altair
import pandas

from pilots.charts.base import BLUE, GREY, INK, ORANGE, PLUM, Mark, Picture, ends_of, finish, number, told, zero_rule

BARS = 28  # of the placebo picture, about
LIKELY = 80  # percent: the power that is asked for
SAME = 1e-9  # relative: an estimate that close to the effect is as large as it
FIGURES = "format(datum.value, '.3~g')"  # an axis's label to three figures
SIDES = ("Smaller than the effect seen", "As large or larger, either way")
DRIFTS = ("As estimated", "With drift allowed")


@dataclass(frozen=True)
class Bound:
    """An interval at one size of drift; without ends it has none."""

    value: float
    lower: float | None
    upper: float | None

    @property
    def mark(self) -> Mark:
        """The interval as a mark of a table."""
        return Mark(f"{self.value:.3g}", self.value, 0.0, self.lower, self.upper)


def sensitivity(
    bounds: Sequence[Bound], original: Bound, *, breakdown: float | None, beyond: bool, unit: str, drift: str, title: str
) -> Picture:
    """Intervals by how far the groups may drift apart after the start, with the drift at which the finding falls.

    Args:
        bounds: One a size of drift, smallest first.
        original: The interval as estimated, right if the groups would have moved alike; drawn at the left.
        breakdown: The largest drift at which the interval still leaves out zero; None where that is not known.
        beyond: Whether even that drift does not break it: the search ended there.
        unit: The effect's unit.
        drift: What the axis counts, such as "Drift, × the largest before".
        title: What the chart shows.
    """
    most = max([one.value for one in bounds] + ([breakdown] if breakdown is not None else []), default=1.0) or 1.0
    # The usual interval stands apart, left of no drift at all: there the trends may still differ as the restriction allows.
    rows = [(Bound(-0.14 * most, original.lower, original.upper), DRIFTS[0]), *((one, DRIFTS[1]) for one in bounds)]
    frame = pandas.DataFrame(
        [(one.value, one.lower, one.upper, kind) for one, kind in rows if one.lower is not None and one.upper is not None],
        columns=["value", "lower", "upper", "kind"],
    )
    domain = altair.Scale(domain=[-0.2 * most, 1.06 * most], nice=False)
    axis = altair.Axis(values=[one.value for one in bounds], labelExpr=FIGURES, grid=False, labelOverlap=True)
    x = altair.X("value:Q", title=drift, scale=domain, axis=axis)
    colour = altair.Color("kind:N", title=None, scale=altair.Scale(domain=list(DRIFTS), range=[PLUM, BLUE]))
    shape = altair.Shape("kind:N", title=None, scale=altair.Scale(domain=list(DRIFTS), range=["square", "circle"]))
    y = altair.Y("lower:Q", title=f"Effect ({unit})")
    ends = (
        altair.Chart(frame).transform_fold(["lower", "upper"], as_=["end", "effect"]).mark_point(filled=True, size=70, opacity=1)
    )
    layers = [
        zero_rule(horizontal=True),
        altair.Chart(frame).mark_rule(strokeWidth=3).encode(x=x, y=y, y2="upper:Q", color=colour),
        ends.encode(x=x, y="effect:Q", color=colour, shape=shape, tooltip=["value", "lower", "upper"]),
    ]
    if breakdown is not None:
        layers += _breakdown_line(breakdown, beyond, most)
    marks = [Mark("as estimated", 0, 0.0, original.lower, original.upper), *(one.mark for one in bounds)]
    table = pandas.DataFrame({drift: [mark.label for mark in marks], f"Interval ({unit})": [ends_of(mark) for mark in marks]})
    said = "; ".join(f"at {one.value:.3g} it is {_plainly(one)}" for one in bounds)
    alt = f"{title}. As estimated the interval is {_plainly(original)} {unit}; {said}. {_breaks(breakdown, beyond)}"
    return Picture(title, finish(altair.layer(*layers), 300), alt, table)


def _breakdown_line(breakdown: float, beyond: bool, most: float) -> list[altair.Chart]:
    words = f"{'Stands past' if beyond else 'Falls at'} {breakdown:.2g}"
    right = breakdown < most / 2
    line = altair.Chart(pandas.DataFrame({"x": [breakdown], "words": [words]})).encode(x=altair.X("x:Q"))
    rule = line.mark_rule(color=INK, strokeDash=[5, 4], strokeWidth=2)
    return [rule, *told(line, align="left" if right else "right", dx=6 if right else -6, y=2)]


def _plainly(one: Bound) -> str:
    return ends_of(one.mark, 1).replace("\u00a0", " ")


def _breaks(breakdown: float | None, beyond: bool) -> str:
    if breakdown is None:
        return "From which drift on the interval holds zero is not known."
    if beyond:
        return f"The interval leaves out zero at every drift up to {breakdown:.2g}, the largest looked at."
    return f"From a drift of {breakdown:.2g} on the interval holds zero."


def placebo(estimates: Sequence[float], actual: float, *, unit: str, note: str) -> Picture:
    """The effect beside those that come out when the reform is given to other partnerships, where it did nothing.

    Args:
        estimates: One a reassignment.
        actual: The effect of the reform as it was.
        unit: The effect's unit.
        note: What is said beside the picture, such as how many reassignments there are.
    """
    frame = _bars(estimates, actual)
    colour = altair.Color(
        "side:N", title=None, legend=altair.Legend(columns=1), scale=altair.Scale(domain=list(SIDES), range=[BLUE, ORANGE])
    )
    axis = altair.Axis(tickCount=6, grid=False)
    x = altair.X("low:Q", bin="binned", title=f"Effect ({unit})", scale=altair.Scale(nice=False, padding=12), axis=axis)
    # Room above the bars for the words beside the line.
    y = altair.Y("count:Q", title="Reassignments", scale=altair.Scale(domain=[0, 1.25 * int(frame["count"].max())]))
    bars = altair.Chart(frame).mark_bar(stroke=INK, strokeWidth=0.5)
    left = actual < (frame["low"].min() + frame["high"].max()) / 2
    line = altair.Chart(pandas.DataFrame({"x": [actual], "words": [f"As it was: {number(actual)}"]})).encode(x="x:Q")
    layers = [
        bars.encode(x=x, x2="high:Q", y=y, color=colour, tooltip=["low", "high", "count"]),
        line.mark_rule(color=PLUM, strokeWidth=3),
        *told(line, align="left" if left else "right", dx=7 if left else -7, y=2, bold=True),
    ]
    large = sum(abs(one) >= abs(actual) * (1 - SAME) for one in estimates)
    title = "The effect beside what chance alone would give"
    alt = (
        f"{title}. The effect is {number(actual)} {unit}. Given to other partnerships at random, the reform would show between "
        f"{number(min(estimates))} and {number(max(estimates))}; {large} of {len(estimates)} such effects are as "
        f"large or larger, either way. {note}"
    )
    table = pandas.DataFrame(
        {
            f"Effect ({unit}), from": [number(value, 2) for value in frame["low"]],
            "To": [number(value, 2) for value in frame["high"]],
            "Reassignments": [str(count) for count in frame["count"]],
            "Against the effect seen": ["smaller" if side == SIDES[0] else "as large or larger" for side in frame["side"]],
        }
    )
    return Picture(title, finish(altair.layer(*layers), 260), alt.strip(), table)


def _bars(estimates: Sequence[float], actual: float) -> pandas.DataFrame:
    """Bars that end at the effect and at its mirror image, so that none holds both smaller effects and larger ones."""
    size, reach = abs(actual), max(max(abs(one) for one in estimates), abs(actual)) or 1.0
    width = 2 * reach / BARS
    inside = max(1, round(2 * size / width))
    counts = Counter(_bar(one, size, width, inside) for one in estimates)
    rows = []
    for (side, at), count in counts.items():
        if side == 0:
            low, high = -size + at * 2 * size / inside, -size + (at + 1) * 2 * size / inside
        else:
            low, high = sorted((side * (size + at * width), side * (size + (at + 1) * width)))
        rows.append((low, high, count, SIDES[abs(side)]))
    return pandas.DataFrame(sorted(rows), columns=["low", "high", "count", "side"])


def _bar(estimate: float, size: float, width: float, inside: int) -> tuple[int, int]:
    """Where an estimate falls: (0, which bar inside ± the effect), or (sign, which bar beyond it)."""
    if abs(estimate) >= size * (1 - SAME):
        return (1 if estimate >= 0 else -1), max(0, floor((abs(estimate) - size) / width + SAME))
    return 0, min(inside - 1, floor((estimate + size) / (2 * size) * inside))


def power_curve(
    points: Sequence[tuple[float, float]], *, detectable: float | None, smallest: float | None, unit: str, title: str
) -> Picture:
    """How often effects of each size would be seen.

    Args:
        points: (size of effect, share of times seen, between 0 and 1), smallest first.
        detectable: The smallest effect that is seen four times in five.
        smallest: The smallest effect that matters.
        unit: The effect's unit.
        title: What the chart shows.
    """
    frame = pandas.DataFrame([(effect, 100 * share) for effect, share in points], columns=["effect", "seen"])
    x = altair.X("effect:Q", title=f"Size of the effect ({unit})", scale=altair.Scale(nice=False))
    y = altair.Y("seen:Q", title="Seen, % of times", scale=altair.Scale(domain=[0, 100]))
    curve, last = altair.Chart(frame), float(frame["effect"].max())
    layers = [
        altair.Chart(pandas.DataFrame({"y": [LIKELY]})).mark_rule(color=GREY, strokeDash=[2, 3]).encode(y="y:Q"),
        curve.mark_line(color=BLUE, strokeWidth=3).encode(x=x, y=y),
        curve.mark_point(color=BLUE, filled=True, size=50, opacity=1).encode(x=x, y=y, tooltip=["effect", "seen"]),
        *_lines(detectable, smallest, last),
    ]
    known = "not known" if detectable is None else f"{detectable:.3g} {unit}"
    first, final = frame.iloc[0], frame.iloc[-1]
    alt = (
        f"{title}. An effect of {first['effect']:.3g} {unit} would be seen {first['seen']:.0f}% of the time, one of "
        f"{final['effect']:.3g} {final['seen']:.0f}%. The smallest effect seen {LIKELY}% of the time is {known}."
    )
    if smallest is not None:
        alt += f" The smallest effect that matters is {smallest:.3g}."
    table = pandas.DataFrame(
        {
            f"Size of the effect ({unit})": [f"{value:.3g}" for value in frame["effect"]],
            "Seen, % of times": [f"{value:.0f}%" for value in frame["seen"]],
        }
    )
    return Picture(title, finish(altair.layer(*layers), 260), alt, table)


def _lines(detectable: float | None, smallest: float | None, last: float) -> list[altair.Chart]:
    """Lines at the effect that can be seen and at the one that matters, named in the legend: their places may be close."""
    named = (("Can be seen from", detectable, PLUM, [1, 0]), ("Matters from", smallest, INK, [5, 4]))
    drawn = [(f"{words} {at:.3g}", at, colour, dash) for words, at, colour, dash in named if at is not None and at <= last]
    if not drawn:
        return []
    names, legend = (
        [words for words, *_ in drawn],
        altair.Legend(columns=1, symbolType="stroke", symbolStrokeWidth=3, symbolSize=500),
    )
    frame = pandas.DataFrame({"words": names, "at": [at for _, at, *_ in drawn]})
    colours = altair.Scale(domain=names, range=[colour for *_, colour, _ in drawn])
    dashes = altair.Scale(domain=names, range=[dash for *_, dash in drawn])
    rules = altair.Chart(frame).mark_rule(strokeWidth=2)
    return [
        rules.encode(
            x="at:Q",
            color=altair.Color("words:N", title=None, scale=colours, legend=legend),
            strokeDash=altair.StrokeDash("words:N", title=None, scale=dashes, legend=legend),
        )
    ]
