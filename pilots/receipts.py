"""A receipt: what was received, when, as which version, and what it takes the place of. Text for people, JSON for programs."""

from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any

from data_contracts import load_contract
from pilots.life import RETURNED, STATES, WITHDRAWN
from pilots.periods import LONDON
from pilots.places import region_names


@dataclass(frozen=True)
class Receipt:
    """One submission, as told to whoever sent it.

    Attributes:
        reference: names the submission for good, for example `EHCP-PROCESS-E12000001-2023-24-AUTUMN-v2`.
        sha256: digest of the bytes received; they are kept as they came.
        collection: what was asked for.
        region: code of the region (E12…), or of England for the reform register.
        period: the period of the return; blank for the reform register.
        version: 1 for the first submission of this return, then 2, …
        rows: number of data rows stored.
        received_at: when the bytes came, with time zone. A deadline looks at this moment.
        supersedes: reference of the version before, or None.
        status: one of `pilots.life.STATES`.
        contract_version: version of the contract that the file was checked against.
        filename: name of the file as sent.
        submitted_by: subject of the account.
        submitted_at: when the submission was stored.
        signed_off_by: subject of the account that signed it off, or None.
        signed_off_at: when, or None.
        reason: why it was sent again, or None.
        explanations: explanation by key of finding, or by rule.
        status_at: when it came to its state.
        status_by: subject of the account that brought it there.
        status_reason: why, where one was given: of what was sent back or withdrawn.
        accepted_by: subject of the account that accepted it, or None.
        accepted_at: when, or None.
        due: the day on which it was due when it came, as ISO text; None where no deadline is known.
        late_days: days that it came after it, 0 in time; None where no deadline is known.
        nil_reason: why there was nothing to return; None where the return has rows.
        queries: number of queries that the check found.
        notes: number of notes that the check found.
        corrections: number of corrections that were accepted.
        corrected_sha256: digest of the corrected table as CSV; None where no correction was accepted.
        repeated: this very file had been submitted before; nothing new was stored.
    """

    reference: str
    sha256: str
    collection: str
    region: str
    period: str
    version: int
    rows: int
    received_at: datetime
    supersedes: str | None
    status: str
    contract_version: str
    filename: str
    submitted_by: str
    submitted_at: datetime
    signed_off_by: str | None
    signed_off_at: datetime | None
    reason: str | None
    explanations: dict[str, str]
    status_at: datetime
    status_by: str
    status_reason: str | None
    accepted_by: str | None
    accepted_at: datetime | None
    due: str | None
    late_days: int | None
    nil_reason: str | None
    queries: int | None
    notes: int | None
    corrections: int
    corrected_sha256: str | None
    repeated: bool = False

    @classmethod
    def from_row(cls, row: dict[str, Any], repeated: bool = False) -> "Receipt":
        """Make a receipt of a stored submission."""
        known = {item.name: row[item.name] for item in fields(cls) if item.name in row}
        return cls(**{**known, "rows": row["row_count"], "repeated": repeated})

    def to_dict(self) -> dict[str, Any]:
        """The receipt as plain JSON; moments in ISO form."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}

    def text(self) -> str:
        """The receipt in plain words, one fact a line."""
        file = f"{self.filename} ({self.rows:,} rows, contract {self.contract_version})"
        facts = [
            ("Reference", self.reference),
            (
                "Return",
                ", ".join(part for part in (self._title(), region_names().get(self.region, "England"), self.period) if part),
            ),
            ("Version", str(self.version)),
            ("Status", STATES[self.status].words),
            ("Nothing to return", self.nil_reason),
            ("File", None if self.nil_reason else file),
            ("SHA-256", self.sha256),
            ("Corrections", self._corrections()),
            ("Found by the check", None if self.nil_reason else self._found()),
            ("Received", f"{_moment(self.received_at)} from {self.submitted_by}"),
            ("Due", None if self.due is None else f"{date.fromisoformat(self.due):%d %B %Y}, received {self._timing()}"),
            ("Takes the place of", self.supersedes),
            ("Reason", self.reason),
            ("Signed", f"{_moment(self.signed_off_at)} by {self.signed_off_by}" if self.signed_off_at else None),
            ("Accepted", f"{_moment(self.accepted_at)} by {self.accepted_by}" if self.accepted_at else None),
            (STATES[self.status].done.capitalize(), self._set_aside()),
        ]
        lines = [f"{label}: {value}" for label, value in facts if value]
        if self.repeated:
            lines.insert(0, "You have submitted this very file already. Nothing new was stored; this is its receipt.")
        return "\n".join(lines)

    def _title(self) -> str:
        """What was asked for, in words and by its name."""
        return f"{load_contract(self.collection).title} ({self.collection})"

    def _corrections(self) -> str | None:
        if not self.corrections:
            return None
        count = "1 correction" if self.corrections == 1 else f"{self.corrections:,} corrections"
        return f"{count} accepted; SHA-256 of the corrected table {self.corrected_sha256}"

    def _found(self) -> str:
        """What the check found; what was submitted has no errors."""
        queries, notes = self.queries or 0, self.notes or 0
        asked = "no queries" if queries == 0 else "1 query, explained" if queries == 1 else f"{queries:,} queries, each explained"
        return f"no errors, {asked}, {'no notes' if notes == 0 else '1 note' if notes == 1 else f'{notes:,} notes'}"

    def _timing(self) -> str:
        """Whether it came in time."""
        days = self.late_days or 0
        return "in time" if days == 0 else f"{days:,} day{'' if days == 1 else 's'} late"

    def _set_aside(self) -> str | None:
        """Who sent it back or withdrew it, when and why."""
        if self.status not in (RETURNED, WITHDRAWN):
            return None
        return f"{_moment(self.status_at)} by {self.status_by}: {self.status_reason}"


def _moment(when: datetime) -> str:
    """A moment by the clock in London, by whose days deadlines are counted."""
    return f"{when.astimezone(LONDON):%d %B %Y, %H:%M:%S %Z}"
