"""A change that breaks returns needs a new major version: told for every version that ships, and held to the contract linter."""

import socket
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml
from datacontract.data_contract import DataContract
from open_data_contract_standard.model import OpenDataContractStandard

from data_contracts import ContractError, contracts, load_contract, parse_contract
from data_contracts.versions import LEVELS, changes_since, compare, earlier_versions, needed_level, raised_level

FOLDER = Path(str(resources.files("data_contracts").joinpath("contracts")))
DOCUMENTS = sorted(FOLDER.glob("*/*.yaml"))
PAIRS = [(name, *pair) for name, texts in contracts().items() for pair in zip(texts, texts[1:], strict=False)]
CHANGES = yaml.safe_load(Path(__file__).with_name("version_changes.yaml").read_text(encoding="utf-8"))


def column(required: bool) -> str:
    """A column more, in front of the note."""
    return f"""
      - name: more
        businessName: More
        description: >-
          A count.
        logicalType: integer
        physicalType: INTEGER
        required: {str(required).lower()}
        customProperties:
          - {{property: unit, value: plans}}
      - name: note
"""


def rule(severity: str, over: str) -> str:
    """A row rule more, in front of the others."""
    return f"""
    quality:
      - id: another
        type: custom
        engine: data_contracts
        severity: {severity}
        implementation: {{kind: at_most, at: plans_digital, left: {over}, right: plans_issued}}
        customProperties:
          - {{property: message, value: Too many.}}
          - {{property: fix, value: Count again.}}
"""


def changed(before: str, change: dict[str, Any]) -> str:
    """The document with the change made; each text that it names is there."""
    text = before
    for start, end in change.get("drop", []):
        at = text.index(start)
        text = text[:at] + text[text.index(end, at) :]
    added = change.get("add", {})
    puts = list(change.get("put", []))
    puts += [["\n      - name: note\n", column(added["column"])]] if "column" in added else []
    puts += [["\n    quality:\n", rule(added["rule"], added["over"])]] if "rule" in added else []
    for old, new in puts:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change["name"])
def test_a_change_asks_for_a_version_and_is_said_in_a_sentence(change: dict[str, Any]) -> None:
    before = (FOLDER / change["of"] / "1.0.0.yaml").read_text(encoding="utf-8")
    after = changed(before, change)
    old, new = parse_contract(before), parse_contract(after)
    found = compare(old, new)
    assert found[0].level == change["level"] == needed_level(old, new), found
    assert any(change["words"] in one.sentence for one in found if one.level == change["level"]), found
    assert compare(old, old) == () == compare(new, new) and needed_level(new, new) == ""
    # The linter calls every new column breaking, and sees neither symbols, lists and headings nor row rules.
    assert linter_says_breaking(before, after) == change.get("linter", False)


def linter_says_breaking(before: str, after: str) -> bool:
    """Whether a file that was accepted may be refused, or a column that was there is gone."""
    one, other = (DataContract(data_contract=OpenDataContractStandard.from_string(text)) for text in (before, after))
    entries = one.breaking(other).entries
    gone = [entry for entry in entries if entry.rule_id == "property-added-or-removed" and entry.direction == "loosens"]
    return bool(gone) or any(entry.direction in {"tightens", "both"} for entry in entries)


@pytest.mark.parametrize(("name", "before", "after"), PAIRS)
def test_each_version_that_ships_goes_up_as_far_as_its_changes_ask(name: str, before: str, after: str) -> None:
    old, new = load_contract(name, before), load_contract(name, after)
    needed, raised = needed_level(old, new), raised_level(before, after)
    assert needed and LEVELS.index(raised) >= LEVELS.index(needed), [change.sentence for change in compare(old, new)]
    for column in new.columns:
        if column.name not in {other.name for other in (*old.columns, *old.retired)}:
            assert column.since == after, f"{column.name} of {name} {after} says that it is there since {column.since!r}"


def test_some_collection_has_a_second_version() -> None:
    assert ("ehcp_process", "1.0.0", "1.1.0") in PAIRS


def test_version_numbers_are_compared_as_numbers() -> None:
    assert raised_level("1.9.0", "1.10.0") == "minor"
    assert raised_level("1.10.0", "2.0.0") == "major"
    assert raised_level("1.0.1", "1.0.2") == "patch"
    assert raised_level("1.1.0", "1.1.0") == raised_level("1.10.0", "1.9.9") == ""


def test_what_changed_since_a_version_is_told() -> None:
    newest = load_contract("ehcp_process")
    assert [old.version for old in earlier_versions(newest)] == ["1.0.0"]
    (column, check_of_it) = changes_since(newest, "1.0.0")
    assert column.level == check_of_it.level == "minor" and column.column == "requests_first_time"
    assert column.sentence.startswith("Requests for the first time (requests_first_time) is new and may be left out.")
    assert check_of_it.sentence.endswith("Requests for the first time are part of all requests received in the term.")
    assert changes_since(newest) == changes_since(newest, "1.0.0") and changes_since(load_contract("ehcp_process", "1.0.0")) == ()
    with pytest.raises(ContractError, match="no version"):
        changes_since(newest, "9.9.9")


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: f"{path.parent.name} {path.stem}")
def test_the_contract_linter_passes_each_contract(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The schema that it lints by comes with the package: nothing is fetched."""

    def no_network(*_: object) -> None:
        raise OSError("a lint needs no network")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    run = DataContract(data_contract_file=str(path)).lint()
    assert run.result == "passed", [(one.name, one.reason) for one in run.checks if one.result != "passed"]
    assert all(one.result == "passed" for one in run.checks), [(one.name, one.reason) for one in run.checks]
