"""The register of reforms: who had one when."""

from __future__ import annotations

import altair
import pandas

from pilots.charts.base import BLUE, INK, ORANGE, Picture, finish, names_axis

SPELL_COLUMNS = {
    "authority": "Local authority",
    "region": "Region",
    "start": "Start",
    "end": "End",
    "stage": "Stage",
    "intensity": "Intensity",
    "halted_reason": "Why it ended",
}


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
    y = altair.Y("authority:N", title=None, sort=rows, axis=names_axis())
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
    return Picture(f"{reform}: who has it, and since when", finish(altair.layer(*layers), 22 * len(rows) + 40), alt, table)
