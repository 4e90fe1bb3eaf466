"""The neighbours of an authority, on the map and in the figures."""

from __future__ import annotations

import pandas

from pilots.places import authorities, bordering, partnerships, region_names, statistical_neighbours, without_known_borders

COLUMNS = ["Neighbour", "Code", "Region", "Likeness, rank", "How alike", "Borders on it", "In the programme"]


def neighbours_table(code: str) -> pandas.DataFrame:
    """The ten authorities that are most like one, the most alike first, then those that only border on it.

    Args:
        code: of today.

    Returns:
        One row an authority; whether it borders is “not known” of two that are both outside the programme.
    """
    place, programme = authorities().set_index("authority"), set(partnerships()["authority"])
    table = statistical_neighbours()
    alike = {row.neighbour: row for row in table[table["authority"] == code].itertuples()}
    near, known = bordering([code]) | {one for one in programme if code in bordering([one])}, not without_known_borders([code])
    rows = []
    for other in [*alike, *sorted(near - set(alike), key=lambda one: str(place.at[one, "name"]))]:
        rank, how = (str(alike[other].rank), alike[other].closeness) if other in alike else ("", "")
        borders = "yes" if other in near else "no" if known or other in programme else "not known"
        region = region_names()[str(place.at[other, "region"])]
        rows.append((place.at[other, "name"], other, region, rank, how, borders, "yes" if other in programme else "no"))
    return pandas.DataFrame(rows, columns=COLUMNS)
