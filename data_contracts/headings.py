"""Headings: how they are compared, and which column each of them means."""

import re
import unicodedata

from data_contracts.contract import Column, Contract


def plain(heading: str) -> str:
    """A heading without case, invisible characters, underscores, hyphens and doubled spaces."""
    wide = unicodedata.normalize("NFKC", heading)
    visible = "".join(letter for letter in wide if unicodedata.category(letter) != "Cf")
    return re.sub(r"[\s_\-]+", " ", visible).strip().strip("\"'“”").strip().lower()


def withdrawn_headings(contract: Contract) -> dict[str, str]:
    """Last version that had the column, by plain heading, of the columns that are no longer asked for."""
    known = known_headings(contract)
    headings = {
        plain(other): column.until for column in contract.retired for other in (column.name, column.label, *column.aliases)
    }
    return {heading: until for heading, until in headings.items() if heading not in known}


def known_headings(contract: Contract) -> dict[str, tuple[Column, str]]:
    """Column and way of matching by plain heading; names come before labels and aliases."""
    known: dict[str, tuple[Column, str]] = {}
    for column in contract.columns:
        known.setdefault(plain(column.name), (column, "spelling"))
    for column in contract.columns:
        for other in (column.label, *column.aliases):
            known.setdefault(plain(other), (column, "alias"))
    return known
