"""The report of an import: what came in, and everything that could not be used."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from pilots.catalogue import aliases
from pilots.published.remarks import SECTIONS, tables_of
from pilots.tables import moment

_OUTCOMES = {
    "label": "Outcome",
    "authorities": "Authorities",
    "first": "First period",
    "last": "Last period",
    "cells": "Cells",
    "figures": "Figures",
    "missing": "Missing",
    "symbols": "By symbol",
    "blank": "Blank",
    "absent": "No row",
    "zero_denominator": "Nothing to divide by",
    "unusable": "Not usable",
}
_SHOWN = 12  # rows of a long section that the text shows; the tables and the JSON have all
_NAMED = 100  # names beyond which the summary, too, shows a few only
_WHOLE = ("Outcomes", "Files", "Notes")


@dataclass(frozen=True)
class ImportReport:
    """What an import brought, and what could not be used.

    Attributes:
        reference: of the vintage, for example `EES-0001`.
        publication, title, edition: its name in the catalogue, for readers, and the reporting year.
        filename, sha256: of the file.
        repeated: True where these very bytes had been imported before; nothing was changed.
        received_at: when the vintage was stored.
        values: how many figures it has.
        outcomes: one mapping an outcome that it feeds (see `pilots.published.outcomes.feeds`).
        sections: what could not be used, or was used with a change, by section (see `pilots.published.remarks.SECTIONS`).
        restates: references of the earlier vintages of the same publication and edition.
        notes: what else must be known, in sentences.
    """

    reference: str
    publication: str
    title: str
    edition: str
    filename: str
    sha256: str
    repeated: bool
    received_at: datetime
    values: int
    outcomes: list[dict[str, Any]]
    sections: dict[str, list[dict[str, Any]]]
    restates: list[str]
    notes: list[str]

    @classmethod
    def from_vintage(cls, row: dict[str, Any], repeated: bool = False) -> "ImportReport":
        """The report of a stored vintage.

        Args:
            row: the vintage as the store has it.
            repeated: whether its bytes came again.
        """
        kept = row["report"]
        facts = {name: row[name] for name in ("reference", "publication", "edition", "filename", "sha256", "received_at")}
        parts = {name: kept[name] for name in ("values", "outcomes", "restates", "notes")}
        # A report that was stored before a section was there has none of it.
        parts["sections"] = {name: kept["sections"].get(name, []) for name in SECTIONS}
        return cls(title=aliases(row["publication"]).title, repeated=repeated, **facts, **parts)

    def summary(self) -> str:
        """What came in, in two or three sentences."""
        files = {entry["file"] for entry in self.sections["files"] if entry["values"]}
        if self.repeated:
            return (
                f"This very file was imported on {moment(self.received_at)} as {self.reference} ({self.title}, "
                f"edition {self.edition}). Nothing was changed."
            )
        words = [
            f"{self.title}, edition {self.edition}: {self.values:,} figures from {len(files)} "
            f"{'file' if len(files) == 1 else 'files'} are stored as {self.reference}. They feed {len(self.outcomes)} "
            f"{'outcome' if len(self.outcomes) == 1 else 'outcomes'}."
        ]
        if self.restates:
            changed = len(self.sections["restated"])
            words.append(
                f"It restates {', '.join(self.restates)}: {changed:,} {'figure is' if changed == 1 else 'figures are'} different."
                " The earlier figures are kept."
            )
        totals = self.sections["region_totals"]
        unusable = sum(entry["authorities"] for entry in totals) + len(self.sections["unreadable"])
        if unusable:
            where = ", ".join(f"{entry['file']}, {entry['region']} {entry['period']}" for entry in totals)
            why = f" Authorities have the total of their region there: {where}." if totals else ""
            words.append(f"{unusable:,} {'figure' if unusable == 1 else 'figures'} could not be used.{why}")
        codes = [entry for entry in self.sections["codes"] if entry.get("finding")]
        if codes:
            told = [f"{code['name']} {code['code']} ({code['periods']})" for code in codes[:_SHOWN]]
            told += [f"and {len(codes) - _SHOWN} more in the table"] if len(codes) > _SHOWN else []
            words.append(f"Codes that do not fit their period: {', '.join(told)}.")
        gaps = [entry for entry in self.sections["gaps"] if entry["programme"]]
        if gaps:
            who = list(dict.fromkeys(f"{gap['name']} {gap['period']}" for gap in gaps))
            told = who if len(who) <= _NAMED else [*who[:_SHOWN], f"and {len(who) - _SHOWN} more in the table"]
            words.append(f"Authorities of the programme without some figures: {', '.join(told)}.")
        return " ".join(words)

    def tables(self) -> dict[str, pd.DataFrame]:
        """The outcomes and each section that has rows, with headings for readers."""
        outcomes = pd.DataFrame([{**entry, "symbols": _symbols(entry)} for entry in self.outcomes], columns=list(_OUTCOMES))
        found = {"Outcomes": outcomes.rename(columns=_OUTCOMES)}
        found |= tables_of(self.sections)
        if self.notes:
            found["Notes"] = pd.DataFrame({"Note": self.notes})
        return found

    def text(self) -> str:
        """The report for a terminal: long sections are cut, and say so."""
        lines = [self.summary(), f"SHA-256 {self.sha256}"]
        for heading, table in self.tables().items():
            lines += ["", f"{heading} ({len(table):,})"]
            shown = len(table) if heading in _WHOLE else _SHOWN
            for row in table.head(shown).to_dict("records"):
                lines.append("  " + "; ".join(f"{name}: {_word(value)}" for name, value in row.items() if _word(value)))
            if len(table) > shown:
                lines.append(f"  … and {len(table) - shown:,} more (see --json)")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """The whole report as plain JSON."""
        return {
            "reference": self.reference,
            "publication": self.publication,
            "title": self.title,
            "edition": self.edition,
            "filename": self.filename,
            "sha256": self.sha256,
            "repeated": self.repeated,
            "received_at": self.received_at.isoformat(),
            "values": self.values,
            "summary": self.summary(),
            "outcomes": self.outcomes,
            "restates": self.restates,
            **self.sections,
            "notes": self.notes,
        }


def _symbols(entry: dict[str, Any]) -> str:
    return ", ".join(f"{symbol} {count}" for symbol, count in entry["missing_by_symbol"].items())


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
