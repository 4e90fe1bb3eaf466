"""Codes become names in what is said: a reader knows Gloucestershire, not E10000013."""

import re
from typing import Any

from pilots.catalogue import Outcome
from pilots.places import names, region_names

CODE = re.compile(r"\bE\d{8}\b")
PARTNERSHIP = re.compile(r"(?:partnership )?Partnership (E\d{8})")


def named(value: Any, about: Outcome) -> Any:
    """A document with the names of authorities, regions, partnerships and the outcome in place of their codes and ids."""
    if isinstance(value, dict):
        return {key: named(one, about) for key, one in value.items()}
    if isinstance(value, list):
        return [named(one, about) for one in value]
    if not isinstance(value, str):
        return value
    if not CODE.search(value):
        return value.replace(about.id, about.label)
    regions, places = region_names(), names()
    text = PARTNERSHIP.sub(lambda found: f"the {regions.get(found[1], found[1])} partnership", value)
    text = CODE.sub(lambda found: regions.get(found[0]) or places.get(found[0], found[0]), text)
    return text.replace(about.id, about.label)
