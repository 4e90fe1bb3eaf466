"""Contracts are sound ODCS documents, say all that a guide or a template needs, and every check is in force."""

import csv
import importlib
import inspect
import io
import json
import pkgutil
import re
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from string import Formatter

import jsonschema
import open_data_contract_standard
import polars as pl
import pytest
import yaml
from open_data_contract_standard.model import OpenDataContractStandard

import data_contracts.stages
from data_contracts import (
    STAGES,
    Context,
    Contract,
    ContractError,
    built_in_rules,
    check,
    contracts,
    load_contract,
    parse_contract,
)
from data_contracts.examples import read_examples
from data_contracts.kinds import GIVEN, HISTORY_KINDS, KINDS
from data_contracts.state import State
from data_contracts.templates import Filling, template_csv

NAMES = sorted(contracts())
FOLDER = Path(str(resources.files("data_contracts").joinpath("contracts")))
DOCUMENTS = sorted(FOLDER.glob("*/*.yaml"))


def test_every_folder_is_a_contract_with_its_examples() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {path.parent.name for path in DOCUMENTS} == set(NAMES)
    for name in NAMES:
        assert {path.name for path in (FOLDER / name / "examples").iterdir()} == {"good.csv", "broken.yaml"}, name


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.parent.name)
def test_a_contract_is_an_odcs_document_by_the_standards_own_schema(path: Path) -> None:
    schema = json.loads(Path(open_data_contract_standard.__file__).with_name("schema.json").read_text(encoding="utf-8"))
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    jsonschema.Draft201909Validator(schema).validate(document)
    assert OpenDataContractStandard.from_string(path.read_text(encoding="utf-8")).version == path.stem == document["version"]
    assert document["name"] == path.parent.name


@pytest.mark.parametrize("name", NAMES)
def test_every_rule_of_a_contract_can_run(name: str) -> None:
    """The kind is known, the columns exist, and the message names only columns or what the kind gives."""
    contract = load_contract(name)
    names = {column.name for column in contract.columns}
    for rule in contract.rules:
        assert rule.kind in KINDS, rule.id
        assert rule.column in names, rule.id
        words = {part for text in (rule.message, rule.fix) for _, part, _, _ in Formatter().parse(text) if part}
        assert words <= names | GIVEN.get(rule.kind, frozenset()), rule.id


@pytest.mark.parametrize("name", NAMES)
def test_headings_of_a_contract_name_one_column_each(name: str) -> None:
    contract = load_contract(name)
    seen: dict[str, str] = {}
    for column in contract.columns:
        for heading in {column.name.replace("_", " "), column.label.lower(), *(text.lower() for text in column.aliases)}:
            assert seen.setdefault(heading, column.name) == column.name, heading


# What the Department's screening of published files refuses in the name of a column (shared/returns.md).
REFUSED = re.compile(
    r"sen_|ethnic|primary_need|secondary_need|establishment_type|provider_type|school_type|male|asian|chinese|indian|pakistani|"
    r"bangladeshi|black|african|caribbean|white|roma|irish|english|british|scottish|welsh|arab"
)


@pytest.mark.parametrize("name", NAMES)
def test_names_of_columns_and_measures_could_be_published(name: str) -> None:
    contract = load_contract(name)
    for word in (*(column.name for column in contract.columns), *contract.measures.values()):
        assert re.fullmatch(r"[a-z][a-z0-9_]{0,49}", word) and not REFUSED.search(word), word
    assert all(column.is_number for column in contract.columns if column.measure)


def test_a_measure_has_one_meaning_over_the_whole_programme() -> None:
    measures = [measure for name in NAMES for measure in load_contract(name).measures.values()]
    assert len(measures) == len(set(measures)), sorted({one for one in measures if measures.count(one) > 1})


def test_every_check_of_the_stages_is_in_force_once() -> None:
    """A public function of a stage that takes the state and gives nothing is a check: without a line in STAGES it never runs."""
    wired = [one for checks in STAGES.values() for one in checks]
    assert len(wired) == len(set(wired))
    public: set[Callable[[State], None]] = set()
    for module in pkgutil.iter_modules(data_contracts.stages.__path__):
        loaded = importlib.import_module(f"data_contracts.stages.{module.name}")
        for name, function in inspect.getmembers(loaded, inspect.isfunction):
            if function.__module__ == loaded.__name__ and not name.startswith("_"):
                signature = inspect.signature(function)
                takes = [parameter.annotation for parameter in signature.parameters.values()]
                if takes == [State] and signature.return_annotation is None:
                    public.add(function)
    assert public == set(wired)
    assert len(wired) > 20


def test_every_kind_of_rule_is_used_or_documented() -> None:
    used = {rule.kind for name in NAMES for rule in load_contract(name).rules}
    assert used == set(KINDS) and set(KINDS) >= HISTORY_KINDS


def test_built_in_rules_are_whole() -> None:
    for rule, words in built_in_rules().items():
        assert words["severity"] in {"error", "query", "note"}, rule
        assert words["message"].endswith((".", "}")) and words["fix"].endswith((".", "}")), rule
        assert rule.partition(".")[0] in {*STAGES, "text"}, rule


@pytest.mark.parametrize("name", NAMES)
def test_the_template_is_one_row_of_headings_that_opens_anywhere(name: str, contexts: dict[str, Context]) -> None:
    contract = load_contract(name)
    text = template_csv(contract, Filling())
    assert text.isascii() and text.endswith("\r\n") and text.count("\r\n") == 1
    assert list(csv.reader(io.StringIO(text))) == [[column.name for column in contract.columns]]
    report = check(contract, "template.csv", text.encode(), contexts[name])
    assert [finding.rule for finding in report.findings] == ["shape.no_rows"]


@pytest.mark.parametrize("name", NAMES)
def test_the_field_guide_says_all_of_every_column(name: str) -> None:
    contract = load_contract(name)
    guide = contract.field_guide()
    assert [row["column"] for row in guide] == [column.name for column in contract.columns]
    for row, column in zip(guide, contract.columns, strict=True):
        assert all(row[part] for part in ("label", "description", "required", "allowed")), row
        assert bool(row["unit"]) == column.is_number
        assert bool(row["symbols"]) == bool(column.symbols)
    assert contract.description and contract.usage and contract.grain and contract.title


def test_the_field_guide_puts_limits_in_words() -> None:
    guide = {row["column"]: row for row in load_contract("reform_register").field_guide()}
    assert guide["stage"]["allowed"] == "A whole number, from 0 to 4"
    assert guide["end"]["allowed"] == "A date written like 2023-09-19, at most 2035-12-31"
    assert guide["halted_reason"]["allowed"] == "Text of at most 200 characters"
    tiers = {row["column"]: row for row in load_contract("ap_tiers").field_guide()}
    assert tiers["tier"]["allowed"] == "One of: 1, 2, 3"
    assert tiers["sessions"]["allowed"] == "A whole number, from 0 to 3,000,000"
    assert "c (confidential)" in tiers["sessions"]["symbols"]
    needs = load_contract("inclusion_plans").column("need").allowed
    assert "Severe learning difficulty; Social, emotional and mental health; Specific" in needs


def broken(old: str, new: str) -> str:
    text = (FOLDER / "reform_register" / "1.0.0.yaml").read_text(encoding="utf-8")
    assert old in text
    return text.replace(old, new, 1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not an Open Data Contract"),
        ("- 1", "not an Open Data Contract"),
        ("kind: DataContract", "needs a name"),
        (broken("logicalType: date", "logicalType: array"), "logicalType"),
        (broken("value: authority}", "value: owner}"), "role"),
        (broken("value: authority}", "value: school}"), "needs its authority"),
        (broken("value: authority}", "value: event}"), "logicalType date"),
        (broken("{maxLength: 200}", "{maxLength: 200, pattern: '^[a-z]+$'}"), "patternWords"),
        (broken("severity: error", "severity: fatal"), "severity"),
        (broken("customProperties:", "customProperties:\n  - {property: periodKind, value: term}"), "term and askedFrom none"),
        (
            broken("customProperties:", "customProperties:\n  - {property: askedFrom, value: 2023/24}"),
            "none and askedFrom 2023/24",
        ),
        (broken("engine: data_contracts", "engine: other"), "engine"),
        (broken("id: no_overlapping_spells", "id: end_after_start"), "same id"),
    ],
)
def test_a_contract_that_cannot_be_used_is_refused_with_its_reason(text: str, words: str) -> None:
    with pytest.raises(ContractError, match=words):
        parse_contract(text)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("{rule: a, row: 2}", "needs rule, row and column"),
        ("{rule: a, row: 2, column: one, edit: {one: 1}}", "needs rule, row and column"),
        ("{rule: a, row: 2, column: one, edits: {three: 1}}", "'three'"),
        ("{rule: a, row: 9, column: one, edits: {one: 1}}", "Rows go from 2 to 3"),
        ("{rule: a, row: '', column: '', remove: [1]}", "Rows go from 2 to 3"),
        ("{rule: a, row: 2, column: one, also: [[b, 2]]}", "leave row and column blank"),
        ("{rule: a, row: 2, column: one, previous: {row: 2}}", "previous"),
    ],
)
def test_a_broken_example_that_cannot_be_made_is_refused_with_its_reason(entry: str, words: str) -> None:
    with pytest.raises(ContractError, match=words):
        read_examples("made_up", "one,two\n1,2\n3,4\n", f"examples:\n  - {entry}\n")


def test_a_broken_example_changes_what_it_names_and_nothing_else() -> None:
    text = """
quiet_row: 3
period: 2023/24
examples:
  - rule: a
    row: 2
    column: two
    edits: {two: yes}
    add: [{like: 3, one: 007}]
    remove: [3]
    also: [[b, '', '']]
    previous: {edits: [{row: 3, one: 2024-01-08}]}
"""
    examples = read_examples("made_up", "one,two\n1,2\n3,4\n", text)
    assert (examples.quiet_row, examples.period) == (3, "2023/24")
    (example,) = examples.broken
    assert example.text == "one,two\n1,yes\n007,4\n"
    assert example.expected == (("a", 2, "two"), ("b", None, None))
    assert example.previous == "one,two\n1,2\n2024-01-08,4\n" and example.locked == ""


def test_unknown_contracts_and_versions_are_named() -> None:
    with pytest.raises(ContractError, match=f"There are {', '.join(NAMES)}"):
        load_contract("nothing")
    with pytest.raises(ContractError, match="It has 1.0.0"):
        load_contract("ap_tiers", "9.9.9")
    with pytest.raises(ContractError, match="no column"):
        load_contract("ap_tiers").column("nothing")


def test_a_rule_over_a_column_that_the_contract_lacks_is_a_fault_of_the_contract(contexts: dict[str, Context]) -> None:
    contract: Contract = parse_contract(broken("first: start, second: end", "first: begun, second: end"))
    with pytest.raises(ContractError, match="begun"):
        check(contract, "a.csv", contract.example_csv().encode(), contexts["reform_register"])


def test_a_report_is_plain_and_counts_add_up(contexts: dict[str, Context]) -> None:
    text = load_contract("ehcp_process").example_csv().replace("238,29", "many,-1")
    report = check(load_contract("ehcp_process"), "a.csv", text.encode(), contexts["ehcp_process"])
    plain = json.loads(json.dumps(report.to_dict()))
    assert (
        plain["summary"] == report.summary() and "12 rows read, 1 with errors: 2 errors, 0 queries, 0 notes." in plain["summary"]
    )
    assert [row["count"] for row in report.by_rule()] == [1, 1]
    frame = pl.from_pandas(report.frame())
    assert frame["cell"].to_list() == ["C2", "D2"]
    assert len(set(frame["key"])) == 2
