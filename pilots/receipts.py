"""A receipt: what was received, when, as which version, and what it takes the place of. Text for people, JSON for programs."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

STATUS_WORDS = {
    "submitted": "submitted, not yet signed off",
    "signed_off": "signed off",
    "superseded": "superseded by a later version",
}


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
        status: `submitted`, `signed_off` or `superseded`.
        contract_version: version of the contract that the file was checked against.
        filename: name of the file as sent.
        submitted_by: subject of the account.
        submitted_at: when the submission was stored.
        signed_off_by: subject of the account that signed it off, or None.
        signed_off_at: when, or None.
        reason: why it was sent again, or None.
        explanations: explanation by key of finding, or by rule.
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
        facts = [
            ("Reference", self.reference),
            ("Return", " ".join(part for part in (self.collection, self.region, self.period) if part)),
            ("Version", str(self.version)),
            ("Status", STATUS_WORDS.get(self.status, self.status)),
            ("File", f"{self.filename} ({self.rows:,} rows, contract {self.contract_version})"),
            ("SHA-256", self.sha256),
            ("Received", f"{self.received_at:%d %B %Y, %H:%M:%S %Z} from {self.submitted_by}"),
            ("Takes the place of", self.supersedes),
            ("Reason", self.reason),
            ("Signed off", f"{self.signed_off_at:%d %B %Y, %H:%M:%S %Z} by {self.signed_off_by}" if self.signed_off_at else None),
        ]
        lines = [f"{label}: {value}" for label, value in facts if value]
        if self.repeated:
            lines.insert(0, "You have submitted this very file already. Nothing new was stored; this is its receipt.")
        return "\n".join(lines)
