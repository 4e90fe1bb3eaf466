"""The account of a return made of cases: every row that was read, used or left out, and why. Nothing in it identifies anybody."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from data_contracts.findings import Finding
from data_contracts.found import Findings


@dataclass(frozen=True)
class CaseAccount:
    """What became of the rows.

    Attributes:
        collection: the return.
        contract: version of its contract.
        form: version of the case form.
        region: code of the region.
        period: the term.
        engine: that read the rows.
        files: files that were read.
        rows: rows that were read; blank ones are none.
        used: rows that count in a figure of the return.
        left_out: rows that do not, by reason: `rule@column`, or the rule alone.
        by_authority: authority, rows, used and left_out of each authority of the region.
        totals: sum over the return's rows of each column that is one, which is the sum over all rows used.
        findings: what was found in the case file.
        check: what the check of the return against its contract found: summary, errors, queries, notes.
        output: the return's file; blank while it is not written.
        sha256: digest of the return.
    """

    collection: str
    contract: str
    form: str
    region: str
    period: str
    engine: str
    files: int
    rows: int
    used: int
    left_out: dict[str, int]
    by_authority: list[dict[str, Any]]
    totals: dict[str, float]
    findings: tuple[Finding, ...]
    check: dict[str, Any]
    sha256: str
    output: str = ""

    @property
    def ready(self) -> bool:
        """Whether the return passes the check of its contract without an error."""
        return not self.check["errors"]

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON."""
        return {**asdict(self), "findings": Findings.of(self.findings).with_key().to_dicts()}
