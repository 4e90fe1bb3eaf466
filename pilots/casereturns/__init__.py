"""Returns made of case-level files, on the region's own machine: rows are read where they lie, and nothing of them is kept."""

from pilots.casereturns.account import CaseAccount
from pilots.casereturns.making import Asked, MadeReturn, make_return

__all__ = ["Asked", "CaseAccount", "MadeReturn", "make_return"]
