"""The field guide: a contract in plain English, the same for the screen, the command line and the template's sheet."""

import re
from dataclasses import asdict, dataclass

from data_contracts.contract import Contract

_PLACES = re.compile(r"\{(\w+)\}")
_MUST = {"error": "must be put right", "query": "put right or explain", "note": "for your information"}


@dataclass(frozen=True)
class Guide:
    """A contract in plain English.

    Attributes:
        contract: name of the collection.
        version: of the contract.
        title: the collection in plain English.
        facts: label and text of what holds for the whole return.
        columns: one mapping a column: column, label, description, required, unit, allowed, symbols, other_headings.
        symbols: meaning by symbol that may stand in place of a number.
        rules: one mapping a rule across columns: rule, severity, consequence, message, fix. A column in square
            brackets stands for the row's value.
    """

    contract: str
    version: str
    title: str
    facts: tuple[tuple[str, str], ...]
    columns: tuple[dict[str, str], ...]
    symbols: dict[str, str]
    rules: tuple[dict[str, str], ...]

    def to_dict(self) -> dict[str, object]:
        """The guide as plain JSON."""
        return {**asdict(self), "facts": [list(fact) for fact in self.facts]}


def _when(contract: Contract) -> str:
    """Since when a return is asked for and when it is due; blank where it has no periods."""
    kind = contract.period_kind
    days = f"{contract.due_days} days after the {kind} ends"
    return f"For each {kind} from {contract.asked_from}, due {days}." if kind else ""


def guide(contract: Contract) -> Guide:
    """Make the field guide of a contract."""
    facts = (
        ("What it is for", contract.description),
        ("How to fill it in", contract.usage),
        ("Rows", contract.grain),
        ("Rows are told apart by", ", ".join(contract.key)),
        ("When", _when(contract)),
        ("A blank", "A blank is neither 0 nor “not available”. Enter 0 where there were none, or one of the symbols."),
    )
    return Guide(
        contract.name,
        contract.version,
        contract.title,
        tuple((label, text) for label, text in facts if text),
        tuple(contract.field_guide()),
        dict(contract.missing_values),
        tuple(
            {
                "rule": rule.id,
                "severity": rule.severity,
                "consequence": _MUST[rule.severity],
                "message": _PLACES.sub(r"[\1]", rule.message),
                "fix": _PLACES.sub(r"[\1]", rule.fix),
            }
            for rule in contract.rules
        ),
    )
