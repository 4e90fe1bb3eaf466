"""Pure checks: bytes and a contract in, findings and typed rows out. Knows no store, no screen, no clock."""

from data_contracts.checking import STAGES, check
from data_contracts.context import Context
from data_contracts.contract import Column, Contract, Rule, contracts, load_contract, parse_contract
from data_contracts.errors import ContractError
from data_contracts.examples import BrokenExample
from data_contracts.findings import Finding, HeaderMatch, built_in_rules
from data_contracts.found import Findings
from data_contracts.reading import Limits
from data_contracts.report import Report

__all__ = [
    "STAGES",
    "BrokenExample",
    "Column",
    "Context",
    "Contract",
    "ContractError",
    "Finding",
    "Findings",
    "HeaderMatch",
    "Limits",
    "Report",
    "Rule",
    "built_in_rules",
    "check",
    "contracts",
    "load_contract",
    "parse_contract",
]
