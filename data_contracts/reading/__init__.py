"""From bytes to raw tables of text. Nothing is guessed: what is odd comes back as a remark beside the table."""

from data_contracts.reading.names import safe_name, take
from data_contracts.reading.read import Reading, read
from data_contracts.reading.table import Limits, Mark, RawTable

__all__ = ["Limits", "Mark", "RawTable", "Reading", "read", "safe_name", "take"]
