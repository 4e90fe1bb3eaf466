"""Contracts: what a return must look like, read from ODCS YAML and held as plain values."""

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

import yaml
from open_data_contract_standard.model import CustomProperty, DataQuality, OpenDataContractStandard, SchemaProperty
from pydantic import ValidationError

from data_contracts.context import period_kind
from data_contracts.errors import ContractError
from data_contracts.examples import BrokenExample, Examples, read_examples

ENGINE = "data_contracts"
YAML: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same in C where that is there: ten times as fast
# What may be entered, by role; an event is a date, a school and a project stand under an authority of the same row.
ROLES = {
    "authority": "A nine-character code",
    "period": "A period",
    "reform": "A reform of the catalogue",
    "school": "A unique reference number (URN) of six digits",
    "project": "A reference of capital letters and digits",
    "event": "",
}
_PATTERNS = {
    "school": ("^[1-9][0-9]{5}$", "six digits, such as 123456"),
    "project": ("^[A-Z]{2,6}-?[0-9]{3,6}$", "letters and digits, such as FS0123"),
}
TYPES = ("string", "integer", "number", "date")
_VERSION = re.compile(r"^\d+\.\d+\.\d+$")


@dataclass(frozen=True)
class Column:
    """One column of a return.

    Attributes:
        name: heading in the file and name of the typed column.
        label: the heading in plain English.
        description: what to enter.
        type: `string`, `integer`, `number` or `date`.
        required: a blank is an error.
        unit: for example `plans` or `weeks`; blank for text.
        minimum: least value allowed (number, or ISO date text).
        maximum: greatest value allowed.
        max_length: longest text allowed.
        choices: values allowed; empty allows any.
        pattern: regular expression that the whole text matches; blank allows any.
        pattern_words: how it is written, in plain English, such as `six digits, such as 123456`.
        symbols: symbols allowed in place of a value.
        aliases: other headings that mean this column.
        role: `authority`, `period`, `reform`, `school` (URN), `project` (reference), `event` (date of what happened) or blank.
        measure: name of the measure that it feeds; blank where none.
        stratum: the rows of one authority and period are told apart by it.
        since: first version of the contract that has it.
        until: last version that has it; blank while in use.
    """

    name: str
    label: str
    description: str
    type: str
    required: bool = False
    unit: str = ""
    minimum: float | str | None = None
    maximum: float | str | None = None
    max_length: int = 500
    choices: tuple[str, ...] = ()
    pattern: str = ""
    pattern_words: str = ""
    symbols: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    role: str = ""
    measure: str = ""
    stratum: bool = False
    since: str = ""
    until: str = ""

    @property
    def is_number(self) -> bool:
        """Whether its values are numbers."""
        return self.type in {"integer", "number"}

    @property
    def free_text(self) -> bool:
        """Whether anything may be written in it."""
        return self.type == "string" and not self.choices and not self.role and not self.pattern

    @property
    def listed_choices(self) -> str:
        """The choices in one line, with semicolons between them where one of them has a comma in it."""
        return ("; " if any("," in choice for choice in self.choices) else ", ").join(self.choices)

    @property
    def allowed(self) -> str:
        """What may be entered, in plain English: a list, a range, a longest text, or how a date is written."""
        if self.choices:
            return f"One of: {self.listed_choices}"
        if ROLES.get(self.role):
            return ROLES[self.role]
        if self.pattern:
            return self.pattern_words[:1].upper() + self.pattern_words[1:]
        if self.type == "string":
            return f"Text of at most {self.max_length} characters"
        words = {"integer": "A whole number", "number": "A number", "date": "A date written like 2023-09-19"}[self.type]
        least, most = (self._in_words(limit) for limit in (self.minimum, self.maximum))
        bounds = (
            f"from {least} to {most}" if least and most else f"{least} or more" if least else f"at most {most}" if most else ""
        )
        return f"{words}, {bounds}" if bounds else words

    @staticmethod
    def _in_words(limit: float | str | None) -> str:
        return "" if limit is None else limit if isinstance(limit, str) else f"{limit:,}"


@dataclass(frozen=True)
class Rule:
    """A rule of one contract over the cells of a row, or over rows together.

    Attributes:
        id: its name.
        severity: `error`, `query` or `note`.
        kind: word of the closed vocabulary in `kinds.py`.
        arguments: what the kind asks for.
        message: what is wrong; `{column}` puts in the row's value.
        fix: what to do.
        column: the column that the finding points at.
    """

    id: str
    severity: str
    kind: str
    arguments: dict[str, Any]
    message: str
    fix: str
    column: str | None


@dataclass(frozen=True)
class Contract:
    """A versioned description of a return.

    Attributes:
        name: the collection.
        version: of the contract, as `1.0.0`.
        title: the name in plain English.
        description: what it is for.
        usage: how to fill it in.
        grain: what one row stands for.
        period_kind: `term`, `academic year`, … or blank where rows carry no period.
        coverage: `region` (every authority of the region is expected) or `some`.
        columns: in the template's order.
        key: columns that name a row.
        rules: of rows and of rows together.
        change_factor: a value this many times the last one, or this part of it, is a query.
        change_least: moves smaller than this never are.
        missing_values: meaning by symbol, of those that may stand in place of a value.
        retired: columns that earlier versions had (`until` is before this version): no longer asked for, and told so.
        due_days: days after the end of the period by which the return is due.
        asked_from: the first period that is asked for; blank where rows carry no period.
    """

    name: str
    version: str
    title: str
    description: str
    usage: str
    grain: str
    period_kind: str
    coverage: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    rules: tuple[Rule, ...]
    change_factor: float
    change_least: float
    missing_values: dict[str, str]
    retired: tuple[Column, ...] = ()
    due_days: int = 30
    asked_from: str = ""

    def column(self, name: str) -> Column:
        """The column of that name.

        Raises:
            ContractError: there is none.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise ContractError(
            f"Contract {self.name} has no column {name!r}. It has {', '.join(item.name for item in self.columns)}."
        )

    def with_role(self, role: str) -> Column | None:
        """The column that plays a role (authority, period, reform, school, project, event), or None."""
        return next((column for column in self.columns if column.role == role), None)

    @property
    def measures(self) -> dict[str, str]:
        """Measure by column."""
        return {column.name: column.measure for column in self.columns if column.measure}

    @property
    def strata(self) -> tuple[str, ...]:
        """Columns that tell apart the rows of one authority and period."""
        return tuple(column.name for column in self.columns if column.stratum)

    def example_csv(self) -> str:
        """The example that ships with the contract: CSV of a return without any finding; blank where there is none."""
        path = _folder().joinpath(self.name, "examples", "good.csv")
        return path.read_text(encoding="utf-8") if path.is_file() else ""

    def broken_examples(self) -> tuple[BrokenExample, ...]:
        """The good example broken in one way each, with every finding expected; none where the contract ships none."""
        return self.examples().broken

    def examples(self) -> Examples:
        """The broken examples, with the row and the period by which tests try what holds for every column.

        Raises:
            ContractError: an entry of `examples/broken.yaml` names what there is not.
        """
        path = _folder().joinpath(self.name, "examples", "broken.yaml")
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        return read_examples(self.name, self.example_csv(), text)

    def field_guide(self) -> list[dict[str, str]]:
        """One row a column: column, label, description, required (`yes` or `no`), unit, allowed, symbols, other_headings."""
        return [
            {
                "column": column.name,
                "label": column.label,
                "description": column.description,
                "required": "yes" if column.required else "no",
                "unit": column.unit,
                "allowed": column.allowed,
                "symbols": ", ".join(f"{mark} ({self.missing_values.get(mark, mark)})" for mark in column.symbols),
                "other_headings": ", ".join(column.aliases),
            }
            for column in self.columns
        ]


def _folder() -> Traversable:
    return resources.files(__package__).joinpath("contracts")


@cache
def _versions(name: str) -> tuple[str, ...]:
    if name not in {entry.name for entry in _folder().iterdir() if entry.is_dir()}:
        return ()
    names = [entry.name.removesuffix(".yaml") for entry in _folder().joinpath(name).iterdir() if entry.name.endswith(".yaml")]
    return tuple(sorted((text for text in names if _VERSION.match(text)), key=version_order))


def version_order(version: str) -> tuple[int, ...]:
    """The parts of a version such as `1.0.0`, by which versions are put in order."""
    return tuple(int(part) for part in version.split("."))


def contracts() -> dict[str, list[str]]:
    """Names of all contracts with their versions, oldest first."""
    names = sorted(entry.name for entry in _folder().iterdir() if entry.is_dir() and not entry.name.startswith("_"))
    return {name: list(_versions(name)) for name in names if _versions(name)}


@cache
def load_contract(name: str, version: str | None = None) -> Contract:
    """Load a contract that ships with the project.

    Args:
        name: of the collection, for example `ehcp_process`.
        version: for example `1.0.0`; None takes the newest.

    Raises:
        ContractError: there is no such contract, or it is not a valid one.
    """
    versions = _versions(name)
    if not versions:
        raise ContractError(f"There is no contract {name!r}. There are {', '.join(contracts())}.")
    if version is None:
        return load_contract(name, versions[-1])
    if version not in versions:
        raise ContractError(f"Contract {name} has no version {version!r}. It has {', '.join(versions)}.")
    return parse_contract(_folder().joinpath(name, f"{version}.yaml").read_text(encoding="utf-8"))


def parse_contract(text: str) -> Contract:
    """Read a contract from ODCS YAML.

    Args:
        text: the YAML document.

    Raises:
        ContractError: it is no ODCS document, or asks for something that the checks do not know.
    """
    try:
        document = OpenDataContractStandard(**yaml.load(text, Loader=YAML))
    except (ValidationError, yaml.YAMLError, TypeError) as error:
        raise ContractError(f"This is not an Open Data Contract Standard document: {error}") from error
    if not document.schema_ or not document.name or not document.version:
        raise ContractError("A contract needs a name, a version and one schema. Add what is missing.")
    table = document.schema_[0]
    properties = table.properties or []
    everything = tuple(_column(item) for item in properties)
    now = version_order(document.version)
    retired = tuple(column for column in everything if column.until and version_order(column.until) < now)
    columns = tuple(column for column in everything if column not in retired)
    keys = sorted((item for item in properties if item.primaryKey), key=lambda item: item.primaryKeyPosition or 0)
    wider = _custom(document.customProperties)
    contract = Contract(
        name=document.name,
        version=document.version,
        title=table.businessName or document.name,
        description=(document.description.purpose if document.description else None) or "",
        usage=(document.description.usage if document.description else None) or "",
        grain=table.dataGranularityDescription or "",
        period_kind=wider.get("periodKind", ""),
        coverage=wider.get("coverage", "some"),
        columns=columns,
        key=tuple(str(item.name) for item in keys),
        rules=tuple(_rule(item) for item in table.quality or []),
        change_factor=float(wider.get("changeFactor", 10)),
        change_least=float(wider.get("changeLeast", 20)),
        missing_values={str(mark): str(meaning) for mark, meaning in wider.get("missingValues", {}).items()},
        retired=retired,
        due_days=int(wider.get("dueDays", 30)),
        asked_from=str(wider.get("askedFrom", "")),
    )
    _check_words(contract)
    return contract


def _custom(properties: list[CustomProperty] | None) -> dict[str, Any]:
    return {str(item.property): item.value for item in properties or []}


def _column(item: SchemaProperty) -> Column:
    custom = _custom(item.customProperties)
    options = item.logicalTypeOptions or {}
    pattern, words = _PATTERNS.get(custom.get("role", ""), (options.get("pattern", ""), custom.get("patternWords", "")))
    return Column(
        name=str(item.name),
        label=item.businessName or str(item.name),
        description=item.description or "",
        type=item.logicalType or "string",
        required=bool(item.required),
        unit=custom.get("unit", ""),
        minimum=options.get("minimum"),
        maximum=options.get("maximum"),
        max_length=int(options.get("maxLength", 500)),
        choices=tuple(str(choice) for choice in custom.get("choices", ())),
        pattern=pattern,
        pattern_words=words,
        symbols=tuple(custom.get("symbols", ())),
        aliases=tuple(custom.get("aliases", ())),
        role=custom.get("role", ""),
        measure=custom.get("measure", ""),
        stratum=bool(custom.get("stratum", False)),
        since=str(custom.get("since", "")),
        until=str(custom.get("until", "")),
    )


def _rule(item: DataQuality) -> Rule:
    if item.engine != ENGINE or not isinstance(item.implementation, dict) or not item.id:
        raise ContractError(f"Rule {item.id or item.name!r} needs an id, engine: {ENGINE} and an implementation with a kind.")
    custom = _custom(item.customProperties)
    arguments = {str(name): value for name, value in item.implementation.items()}
    kind = str(arguments.pop("kind", ""))
    column = arguments.pop("at", None)
    return Rule(item.id, item.severity or "error", kind, arguments, custom.get("message", ""), custom.get("fix", ""), column)


def _check_words(contract: Contract) -> None:
    if period_kind(contract.asked_from) != contract.period_kind:
        raise ContractError(
            f"Contract {contract.name} has periodKind {contract.period_kind or 'none'} "
            f"and askedFrom {contract.asked_from or 'none'}. Give both, and write askedFrom as the first period that is "
            "asked for, such as 2023/24 autumn; or neither."
        )
    for column in contract.columns:
        if column.type not in TYPES:
            raise ContractError(f"Column {column.name} has logicalType {column.type!r}. Use one of {', '.join(TYPES)}.")
        if column.role and column.role not in ROLES:
            raise ContractError(f"Column {column.name} has role {column.role!r}. Use one of {', '.join(ROLES)}.")
        if column.role in _PATTERNS and contract.with_role("authority") is None:
            raise ContractError(
                f"Column {column.name} is a {column.role}, which needs its authority. Add a column with that role."
            )
        if column.role == "event" and column.type != "date":
            raise ContractError(f"Column {column.name} is the date of an event. Give it logicalType date.")
        if bool(column.pattern) != bool(column.pattern_words):
            raise ContractError(f"Column {column.name} needs both a pattern and patternWords, which say how it is written.")
    for rule in contract.rules:
        if not rule.message or not rule.fix or rule.severity not in {"error", "query", "note"}:
            raise ContractError(f"Rule {rule.id} needs a severity (error, query or note), a message and a fix.")
    ids = [rule.id for rule in contract.rules]
    if len(ids) != len(set(ids)):
        raise ContractError("Two rules of one contract have the same id. Give each its own.")
