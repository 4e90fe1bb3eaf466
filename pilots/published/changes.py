"""Two vintages of one publication side by side: which figures changed, which came and which went."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from pilots.access import Actor, check_actor_can
from pilots.errors import UserError
from pilots.published.figures import KEY, spanned
from pilots.published.remarks import SECTIONS, Remarks
from pilots.published.restatement import tell_changes
from pilots.storage import Store
from pilots.storage import published as stored

PAIR = ["measure", "period"]


@dataclass(frozen=True)
class VintageChanges:
    """What differs between two vintages of one publication.

    Attributes:
        before, after: their references.
        common: figures, in either, of measures and periods that both have.
        changes: one row a figure that differs: measure, period, name, authority, old, new, against.
        only_before, only_after: periods by measure that one of the two has alone, in words.
    """

    before: str
    after: str
    common: int
    changes: list[dict[str, Any]]
    only_before: dict[str, str]
    only_after: dict[str, str]

    def summary(self) -> str:
        """What differs, in a sentence or two."""
        words = f"{self.after} beside {self.before}: {len(self.changes):,} of {self.common:,} figures are different."
        for reference, only in ((self.before, self.only_before), (self.after, self.only_after)):
            if only:
                words += f" {len(only):,} measures have periods that only {reference} has."
        return words

    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables that have rows, with headings for readers."""
        columns = SECTIONS["restated"][1]
        shown = {name: words for name, words in columns.items() if name != "against"}
        found = {"Figures that differ": pd.DataFrame(self.changes, columns=list(columns))[list(shown)].rename(columns=shown)}
        for reference, only in ((self.before, self.only_before), (self.after, self.only_after)):
            found[f"Only in {reference}"] = pd.DataFrame(list(only.items()), columns=["Measure", "Periods"])
        return {title: table for title, table in found.items() if len(table)}

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain JSON."""
        return {**self.__dict__, "summary": self.summary()}


def compare_vintages(store: Store, actor: Actor, before: str, after: str) -> VintageChanges:
    """Set one vintage beside another of the same publication, of whatever editions.

    Args:
        store: where they are.
        actor: who wants to read.
        before: reference of the earlier one.
        after: reference of the later one.

    Raises:
        NotAllowed: the actor may not read published series.
        UserError: there is no such vintage, they are the same, or of two publications.
    """
    check_actor_can(actor, "read_published")
    with store.read() as connection:
        facts = [stored.stored_vintage(connection, reference) for reference in (before, after)]
        for reference, row in zip((before, after), facts, strict=True):
            if row is None:
                raise UserError(f"There is no published vintage “{reference}”. Look up its reference in: pilots vintages.")
        titles = {row["publication"] for row in facts if row is not None}
        if before == after or len(titles) > 1:
            why = "the same vintage" if before == after else f"of two publications ({' and '.join(sorted(titles))})"
            raise UserError(f"{before} and {after} are {why}. Choose two vintages of one publication.")
        old, new = (stored.vintage_values(connection, [reference]) for reference in (before, after))
    remarks = Remarks()
    tell_changes(old, new, remarks)
    pairs = {name: set(table[PAIR].itertuples(index=False, name=None)) for name, table in (("old", old), ("new", new))}
    both = pd.DataFrame(sorted(pairs["old"] & pairs["new"]), columns=PAIR)
    common = len(pd.concat([old.merge(both)[KEY], new.merge(both)[KEY]]).drop_duplicates())
    only = (_by_measure(pairs["old"] - pairs["new"]), _by_measure(pairs["new"] - pairs["old"]))
    return VintageChanges(before, after, common, remarks.sections["restated"], *only)


def _by_measure(pairs: set[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for measure, period in sorted(pairs):
        found.setdefault(measure, []).append(period)
    return {measure: spanned(periods) for measure, periods in found.items()}
