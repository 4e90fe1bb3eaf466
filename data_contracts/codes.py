"""Codes of authorities: what is wrong with one that cannot stand in a return."""

import re

import pandas as pd

from data_contracts.context import period_span
from data_contracts.headings import plain

Said = tuple[str, dict[str, str]]


class Codes:
    """The table of authorities' codes, ready to be asked.

    Args:
        table: as `Context.authorities`.
    """

    def __init__(self, table: pd.DataFrame) -> None:
        # By column, as a row of a frame is slow to take out.
        columns = {str(name): table[name].fillna("").astype(str).tolist() for name in table.columns}
        rows = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
        self.rows: dict[str, dict[str, str]] = {row["authority"]: row for row in rows}
        self.by_name: dict[str, dict[str, str]] = {}
        self.by_old_code: dict[str, dict[str, str]] = {}
        # Codes in force are offered before ended ones.
        for row in sorted(self.rows.values(), key=lambda row: (bool(row.get("end")), row["authority"])):
            self.by_name.setdefault(plain(row["name"]), row)
            self.by_old_code.setdefault(row.get("old_code", ""), row)

    def say(self, code: str, when: str | None, region: str | None) -> Said:
        """What is wrong with a code.

        Args:
            code: as it stands in the file.
            when: text of the period or of the date for which it stands; None where it is not known.
            region: the sender's region; None asks for none.

        Returns:
            Id of the rule and further words for its message; a blank id where nothing is wrong.
        """
        row = self.rows.get(code)
        if row is None:
            return self._no_code(code)
        if region and row["region"] != region:
            return "values.other_region", {"name": row["name"], "region": row["region"], "own": region}
        span = period_span(when or "")
        first = span[0].isoformat() if span else (when or "")
        if row.get("end") and first and row["end"] < first:
            return "values.ended_code", {"name": row["name"], "end": row["end"], "then": self._then(row)}
        if span and row.get("start", "") > span[1].isoformat():
            return self._early(row)
        return "", {}

    def heirs(self, code: str) -> list[str]:
        """The codes to which an ended one went."""
        return self.rows.get(code, {}).get("successors", "").split()

    def _then(self, row: dict[str, str]) -> str:
        heirs = [
            f"{self.rows[heir]['name']} ({heir})" if heir in self.rows else heir for heir in row.get("successors", "").split()
        ]
        return f" Use {' and '.join(heirs)}." if heirs else ""

    def before(self, code: str) -> list[dict[str, str]]:
        """The authorities whose area went to this one, wholly or in part."""
        return [old for old in self.rows.values() if code in old.get("successors", "").split()]

    def _early(self, row: dict[str, str]) -> Said:
        """A code used for a time before it was in force: the same authority under a new code, or another one."""
        old = self.before(row["authority"])
        same = [one["authority"] for one in old if one.get("change") == "continues"]
        words = {"name": row["name"], "start": row["start"], "old": same[0] if same else ""}
        earlier = " and ".join(f"{one['name']} ({one['authority']})" for one in old)
        words["before"] = f" Its area was {earlier} then." if earlier else ""
        return ("values.recoded" if same else "values.early_code"), words

    def _no_code(self, code: str) -> Said:
        if code.upper() in self.rows:
            return "values.code_case", {"suggestion": code.upper()}
        named = self.by_name.get(plain(code))
        if named:
            same = self.heirs(named["authority"]) if named.get("change") == "continues" else []
            return "values.name_for_code", {"suggestion": same[0] if same else named["authority"], "name": named["name"]}
        if re.fullmatch(r"\d{3}", code, re.ASCII):
            old = self.by_old_code.get(code)
            return "values.old_code", {"suggestion": f"{old['authority']} ({old['name']})" if old else "the nine-character code"}
        if re.fullmatch(r"E07\d{6}", code, re.ASCII):
            return "values.district_code", {}
        if re.fullmatch(r"[WSN]\d{8}", code, re.ASCII):
            return "values.other_nation", {}
        if re.fullmatch(r"E(92|12|13)\d{6}", code, re.ASCII):
            return "values.region_code", {}
        if not code.isascii() and re.fullmatch(r"\w\d{8}", code):
            return "values.odd_letters", {}
        if re.fullmatch(r"\d+(\.\d+)?([eE]\+?\d+)?", code, re.ASCII):
            return "values.code_became_number", {}
        return "values.unknown_authority", {}
