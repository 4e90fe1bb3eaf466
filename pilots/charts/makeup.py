"""What a number is made of: its weights and its comparisons."""

from __future__ import annotations

import altair
import pandas

from pilots.charts.base import BLUE, INK, ORANGE, TURQUOISE, Picture, finish, number, zero_rule


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
    return Picture(title, finish(altair.layer(zero_rule(horizontal=True), bars), 240), alt, table)


def comparisons(rows: pandas.DataFrame, *, title: str, unit: str) -> Picture:
    """The two-by-two comparisons behind a two-way number: estimate against weight, kinds told apart by shape and colour.

    Args:
        rows: Columns kind, treated, untreated (labels), estimate, weight.
        title: What the chart shows.
        unit: The effect's unit.
    """
    kinds = list(dict.fromkeys(rows["kind"]))
    legend = altair.Legend(columns=1)
    colours = altair.Scale(domain=kinds, range=[BLUE, TURQUOISE, ORANGE][: len(kinds)])
    colour = altair.Color("kind:N", title=None, legend=legend, scale=colours)
    shapes = altair.Scale(domain=kinds, range=["circle", "square", "triangle-up"][: len(kinds)])
    points = (
        altair.Chart(rows)
        .mark_point(filled=True, size=130, opacity=1, stroke=INK, strokeWidth=0.5)
        .encode(
            x=altair.X("weight:Q", title="Weight in the two-way number"),
            y=altair.Y("estimate:Q", title=f"Effect ({unit})"),
            color=colour,
            shape=altair.Shape("kind:N", title=None, scale=shapes, legend=legend),
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
    return Picture(title, finish(altair.layer(zero_rule(horizontal=True), points), 340), alt, table)
