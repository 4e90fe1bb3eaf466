"""What the tests of contracts share: the tables of bad files and of broken examples, and a context for each contract."""

import importlib.util
import sys
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from data_contracts import Context, Contract, contracts, load_contract
from pilots.catalogue import reforms
from pilots.places import authorities


def _load(name: str) -> ModuleType:
    """A module of this folder, which is no package; the others may import it as `contract_<name>`."""
    spec = importlib.util.spec_from_file_location(f"contract_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


TABLES, BAD_FILES, BROKEN = _load("tables"), _load("bad_files"), _load("broken")
_load("bad_books")
BAD_INPUTS = _load("bad_inputs")
BROKEN_EXAMPLES = (*_load("broken_rules").CASES, *_load("broken_cells").CASES)


@pytest.fixture(scope="session")
def tables() -> ModuleType:
    """The module of good tables, and of tables as files."""
    return TABLES


@pytest.fixture(scope="session")
def broken_module() -> ModuleType:
    """The module that makes broken examples."""
    return BROKEN


@pytest.fixture(scope="session")
def broken_examples() -> tuple[Any, ...]:
    """Every broken example."""
    return BROKEN_EXAMPLES


@pytest.fixture(scope="session")
def bad_files() -> ModuleType:
    """The module of bad files, with its builders."""
    return BAD_FILES


@pytest.fixture(scope="session")
def bad_inputs() -> ModuleType:
    """The module of all bad inputs."""
    return BAD_INPUTS


@pytest.fixture(scope="session")
def contexts() -> dict[str, Context]:
    """The context in which the good example of each contract has no finding."""
    return {name: _context(load_contract(name)) for name in contracts()}


def _context(contract: Contract) -> Context:
    """Region and period as the good example has them; none for a collection that is not asked for by period."""
    first = dict(zip(*TABLES.example(contract.name)[:2], strict=True))
    known, codes, today = tuple(reform.id for reform in reforms()), authorities(), date(2026, 1, 31)
    period, place = contract.with_role("period"), contract.with_role("authority")
    when = first[period.name] if period else contract.examples().period
    region = dict(zip(codes["authority"], codes["region"], strict=True))[first[place.name]] if place and when else None
    return Context(region, when or None, codes, known_reforms=known, today=today)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrise by the tables of this folder."""
    if "bad_file" in metafunc.fixturenames:
        metafunc.parametrize("bad_file", BAD_INPUTS.CASES, ids=lambda case: ascii(f"{case.item} {case.name}"))
    if "broken" in metafunc.fixturenames:
        metafunc.parametrize("broken", BROKEN_EXAMPLES, ids=lambda case: ascii(f"{case.contract} {case.rule} {case.name}"))
