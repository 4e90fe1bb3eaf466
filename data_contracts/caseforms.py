"""Case forms: what a region's case-level file looks like and how a return is made of it, read from YAML beside the contracts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

import yaml

from data_contracts.contract import Contract, load_contract, version_order
from data_contracts.errors import ContractError
from data_contracts.findings import Finding, fill
from data_contracts.guide import Guide
from data_contracts.personal import personal_heading

# Type of a column → how a value of it is written, in plain English.
TYPES = {
    "authority": "A nine-character code, such as E06000001",
    "reference": "A number or code of your own that tells rows apart. No UPN, ULN or NHS number",
    "school": "A unique reference number (URN) of six digits",
    "date": "A date written like 2024-09-19",
    "choice": "",
    "yes_no": "yes or no",
    "integer": "A whole number, 0 or more",
    "number": "A number, 0 or more",
}
WAYS = ("count", "sum", "mean", "median", "distinct")
# What a condition may say of its column; `any` stands alone and holds conditions.
TERM_WORDS = ("within", "by_end", "from_start")
WORDS = ("term", "equals", "one_of", "known", "at_most", "above", "before", "more_than")
_OF_FIGURE = {"of", "where", "decimals", "none", "unknown"}
_OF_FORM = {"title", "purpose", "row", "collection", "version", "contract", "columns", "figures", "strata"}

Condition = Mapping[str, Any]


@dataclass(frozen=True)
class CaseColumn:
    """A column of a case-level file.

    Attributes:
        name: its heading.
        type: a key of `TYPES`.
        description: what to enter.
        required: the file must have the column, and each row a value in it.
        key: rows are told apart by it within an authority.
        choices: values allowed, of a choice.
        maximum: greatest value allowed, of a number.
        blank: what a blank counts as; blank for nothing.
    """

    name: str
    type: str
    description: str
    required: bool = False
    key: bool = False
    choices: tuple[str, ...] = ()
    maximum: float | None = None
    blank: str = ""

    @property
    def allowed(self) -> str:
        """What may be entered, in plain English."""
        words = f"One of: {', '.join(self.choices)}" if self.type == "choice" else TYPES[self.type]
        return words if self.maximum is None else f"{words}, at most {self.maximum:,g}"


@dataclass(frozen=True)
class Figure:
    """How a column of the return is made of rows.

    Attributes:
        name: column of the return.
        way: one of `WAYS`.
        of: column that is summed, averaged or told apart; blank for a count.
        where: conditions that a row must meet, all of them.
        decimals: places kept of a mean, median or sum; 0 for whole numbers.
        none: symbol where no row meets the conditions; blank for 0.
        unknown: conditions under which one row makes the figure not available (x).
    """

    name: str
    way: str
    of: str
    where: tuple[Condition, ...]
    decimals: int = 0
    none: str = ""
    unknown: tuple[Condition, ...] = ()

    @property
    def linear(self) -> bool:
        """Whether it is a sum over rows, which cells carry; medians and numbers of different values are not."""
        return self.way in ("count", "sum", "mean")


@dataclass(frozen=True)
class Fault:
    """What a row cannot say, or should be asked about.

    Attributes:
        id: its name.
        where: conditions that a faulty row meets.
        column: the column that the finding points at.
        message: what is wrong.
        fix: what to do.
        keeps: the row counts all the same.
    """

    id: str
    where: tuple[Condition, ...]
    column: str
    message: str
    fix: str
    keeps: bool = False


@dataclass(frozen=True)
class CaseForm:
    """A versioned description of a case-level file and of the return that it becomes.

    Attributes:
        collection: the return.
        version: of the form.
        contract: version of the return's contract that it makes.
        title: in plain English.
        purpose: what it is for.
        row: what one row stands for.
        columns: of the file.
        spans: number of days from one date to another, by name: (from, to, days that make one).
        figures: how the return's columns are made.
        strata: columns by which the rows of one authority and term are told apart, in file and return alike.
        outside: columns of the return that no case tells, with why.
        faults: what a row cannot say.
    """

    collection: str
    version: str
    contract: str
    title: str
    purpose: str
    row: str
    columns: tuple[CaseColumn, ...]
    spans: dict[str, tuple[str, str, float]]
    figures: tuple[Figure, ...]
    strata: tuple[str, ...]
    outside: dict[str, str]
    faults: tuple[Fault, ...]

    def column(self, name: str) -> CaseColumn:
        """The column of that name; there is always one where the form was read."""
        return next(column for column in self.columns if column.name == name)

    @property
    def key(self) -> str:
        """The column by which rows are told apart."""
        return next(column.name for column in self.columns if column.key)

    def example_csv(self) -> str:
        """The made-up example that ships with the form, as CSV."""
        return _folder().joinpath(self.collection, "example.csv").read_text(encoding="utf-8")


def case_rule(rule: str, **values: Any) -> Finding:
    """A finding of a rule that holds for every case form (`cases/rules.yaml`).

    Args:
        rule: its id, such as `cases.outside`.
        **values: row, column, sheet, and whatever else the message names; never a cell's text.
    """
    words = _rules()[rule]
    place = {name: values.get(name) for name in ("row", "column", "sheet")}
    return Finding(rule, words["severity"], fill(words["message"], values), fill(words["fix"], values), **place)


def case_rules() -> tuple[str, ...]:
    """Ids of the rules that hold for every case form."""
    return tuple(_rules())


@cache
def _rules() -> dict[str, dict[str, str]]:
    document = yaml.safe_load(_folder().joinpath("rules.yaml").read_text(encoding="utf-8"))
    return {f"cases.{name}": words for name, words in document.items()}


def case_forms() -> tuple[str, ...]:
    """Names of the collections that can be made from cases."""
    return tuple(sorted(entry.name for entry in _folder().iterdir() if entry.is_dir() and not entry.name.startswith("_")))


@cache
def load_case_form(collection: str) -> CaseForm:
    """The newest case form of a collection.

    Raises:
        ContractError: there is none, or it cannot be used.
    """
    if collection not in case_forms():
        raise ContractError(
            f"There is no case form “{collection}”. Returns that can be made from cases are: {', '.join(case_forms())}."
        )
    entries = [entry.name.removesuffix(".yaml") for entry in _folder().joinpath(collection).iterdir()]
    newest = max((name for name in entries if name[0].isdigit()), key=version_order)
    return parse_case_form(_folder().joinpath(collection, f"{newest}.yaml").read_text(encoding="utf-8"))


def parse_case_form(text: str) -> CaseForm:
    """Read a case form from YAML.

    Args:
        text: the document. Every scalar stays the text that it is: `yes` is a word and no truth.

    Raises:
        ContractError: something is missing, unknown, or does not fit the contract of the return.
    """
    document = yaml.load(text, Loader=yaml.BaseLoader)
    missing = sorted(_OF_FORM - set(document)) if isinstance(document, dict) else sorted(_OF_FORM)
    if missing:
        raise ContractError(f"A case form needs {', '.join(missing)}. Add what is missing.")
    form = CaseForm(
        collection=document["collection"],
        version=document["version"],
        contract=document["contract"],
        title=document["title"],
        purpose=document["purpose"],
        row=document["row"],
        columns=tuple(_column(item) for item in document["columns"]),
        spans={name: (one["from"], one["to"], float(one["days"])) for name, one in document.get("spans", {}).items()},
        figures=tuple(_figure(name, item) for name, item in document["figures"].items()),
        strata=tuple(document["strata"]),
        outside=dict(document.get("outside", {})),
        faults=tuple(_fault(item) for item in document.get("faults", [])),
    )
    _check(form, load_contract(form.collection, form.contract))
    return form


def _column(item: Mapping[str, Any]) -> CaseColumn:
    return CaseColumn(
        name=item["name"],
        type=item.get("type", ""),
        description=item.get("description", ""),
        required=item.get("required") == "true",
        key=item.get("key") == "true",
        choices=tuple(item.get("choices", ())) if item.get("type") != "yes_no" else ("yes", "no"),
        maximum=float(item["maximum"]) if "maximum" in item else None,
        blank=item.get("blank", ""),
    )


def _figure(name: str, item: Mapping[str, Any]) -> Figure:
    ways = set(item) & set(WAYS)
    if len(ways) != 1 or not set(item) <= _OF_FIGURE | set(WAYS):
        raise ContractError(f"Figure {name} needs one of {', '.join(WAYS)}, and may have {', '.join(sorted(_OF_FIGURE))}.")
    way = ways.pop()
    where = tuple(item["count"] if way == "count" else item.get("where", ()))
    of = "" if way == "count" else item[way]
    return Figure(name, way, of, where, int(item.get("decimals", 0)), item.get("none", ""), tuple(item.get("unknown", ())))


def _fault(item: Mapping[str, Any]) -> Fault:
    keeps = item.get("keeps") == "true"
    return Fault(item["id"], tuple(item["where"]), item["column"], item["message"], item["fix"], keeps)


def _check(form: CaseForm, contract: Contract) -> None:
    """Refuse a form that names what there is not, or that leaves a column of the return unmade."""
    names = {column.name for column in form.columns} | set(form.spans)
    for column in form.columns:
        if column.type not in TYPES or (column.type == "choice") != bool(column.choices and column.type != "yes_no"):
            raise ContractError(
                f"Case column {column.name} has type {column.type!r}. Use {', '.join(TYPES)}; a choice has choices."
            )
        if personal_heading(column.name):
            raise ContractError(f"Case column {column.name} is called like an identifier of persons. Name it otherwise.")
    if sum(column.key for column in form.columns) != 1:
        raise ContractError(f"Case form {form.collection} needs one column with key: true, by which rows are told apart.")
    used = {name for start, end, _ in form.spans.values() for name in (start, end)} | set(form.strata)
    used |= {figure.of for figure in form.figures if figure.of} | {fault.column for fault in form.faults}
    for one in _conditions(form):
        used |= _columns_of(one)
    if used - names:
        raise ContractError(
            f"Case form {form.collection} names columns that it does not have: {', '.join(sorted(used - names))}."
        )
    made = {figure.name for figure in form.figures} | set(form.outside) | set(form.strata)
    given = {"note", *(column.name for column in contract.columns if column.role)}
    wanted = {column.name for column in contract.columns} - given
    if made != wanted:
        raise ContractError(
            f"Case form {form.collection} makes other columns than the return has: {', '.join(sorted(made ^ wanted))}. "
            "Add or take out figures."
        )


def _conditions(form: CaseForm) -> Iterator[Condition]:
    for figure in form.figures:
        yield from (*figure.where, *figure.unknown)
    for fault in form.faults:
        yield from fault.where


def _columns_of(one: Condition) -> set[str]:
    """Columns of a condition, which is refused where it says what nobody knows."""
    if set(one) == {"any"}:
        return {name for part in one["any"] for name in _columns_of(part)}
    words = set(one) - {"column"}
    if "column" not in one or len(words) != 1 or not words <= set(WORDS) or one.get("term", "within") not in TERM_WORDS:
        raise ContractError(f"A condition is {dict(one)!r}. It needs a column and one of {', '.join(WORDS)}.")
    return {one["column"]} | {one[word] for word in ("before", "more_than") if word in one}


def case_guide(form: CaseForm) -> Guide:
    """The field guide of a case form, in the shape of a return's."""
    columns = tuple(
        {
            "column": column.name,
            "label": column.name.replace("_", " ").capitalize(),
            "description": column.description,
            "required": "yes" if column.required else "no",
            "unit": "",
            "allowed": column.allowed,
            "symbols": "",
            "other_headings": "",
        }
        for column in form.columns
    )
    facts = (
        ("What it is for", form.purpose),
        ("Rows", form.row),
        ("What becomes of it", _becomes(form)),
        (
            "What must not be in it",
            "Names, dates of birth, postcodes, e-mail addresses, UPNs, ULNs and NHS numbers. A file is refused.",
        ),
        (
            "Where it stays",
            "On your machine. Nothing of it is kept or sent; only the return that is made of it is yours to submit.",
        ),
        *((f"Not from cases: {name}", why) for name, why in form.outside.items()),
    )
    rules = tuple(
        {
            "rule": fault.id,
            "severity": "note" if fault.keeps else "query",
            "consequence": "counted all the same" if fault.keeps else "the row is left out",
            "message": fault.message,
            "fix": fault.fix,
        }
        for fault in form.faults
    )
    return Guide(form.collection, form.version, form.title, facts, columns, {}, rules)


def _becomes(form: CaseForm) -> str:
    made = ", ".join(figure.name for figure in form.figures)
    return f"A return of {form.collection} at version {form.contract}, with {made}."


def _folder() -> Traversable:
    return resources.files(__package__).joinpath("cases")
