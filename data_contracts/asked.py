"""Which periods a return is asked for: from the first that its contract names, until the day that the department has set."""

from datetime import date

from data_contracts.context import period_span
from data_contracts.contract import Contract


def is_asked(contract: Contract, period: str, until: date | None) -> bool:
    """Whether a return is asked for a period, whether or not that has begun.

    Args:
        contract: of the return.
        period: as the contract has it.
        until: the last day of what is asked for; a period that ends later is not. None: without an end.
    """
    first, span = period_span(contract.asked_from), period_span(period)
    if first is None or span is None:
        return True
    return span[0] >= first[0] and (until is None or span[1] <= until)


def asked_words(contract: Contract, until: date | None) -> str:
    """From when until when a return is asked for: “from 2019/20 autumn until 31 August 2025”."""
    return f"from {contract.asked_from}" + ("" if until is None else f" until {until.day} {until:%B %Y}")
