"""Templates of a region's returns: the contract, the region's authorities, and the keys of the last return."""

from dataclasses import dataclass

from data_contracts import Contract, ContractError, load_contract
from data_contracts.caseforms import CaseForm, case_guide, load_case_form
from data_contracts.guide import Guide, guide
from data_contracts.templates import Filling, key_rows, template_csv, template_workbook
from data_contracts.versions import changes_since
from pilots.access import Actor, check_actor_can
from pilots.catalogue import reforms
from pilots.collections import REGISTER
from pilots.errors import UserError
from pilots.periods import parse
from pilots.places import current_authorities
from pilots.storage import Store
from pilots.targets import Target, previous_rows, target_of

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
CSV = "text/csv"


@dataclass(frozen=True)
class Template:
    """A template as a file.

    Attributes:
        filename: a name that says what it is for.
        media_type: of the content.
        content: the bytes.
        rows: number of rows whose keys are written already.
    """

    filename: str
    media_type: str
    content: bytes
    rows: int


def template(store: Store, actor: Actor, collection: str, region: str, period: str, as_csv: bool = False) -> Template:
    """Make the template of one return, with the keys that are known written beforehand.

    Args:
        store: where the last return is.
        actor: a lead of the region, an evaluator or an administrator.
        collection: what is asked for; for the reform register, region and period are not looked at.
        region: code of the region (E12…).
        period: as the collection has it.
        as_csv: as CSV in place of a workbook.

    Raises:
        NotAllowed: the actor may not read returns of this region.
        UserError: there is no such collection, region or period.
    """
    if collection == REGISTER:
        contract, filling = load_contract(REGISTER), _for_the_country()
    else:
        check_actor_can(actor, "read_returns", region)
        target = target_of(collection, region, period)
        contract, filling = target.contract, _for_the_region(store, target)
    name, media_type = filename_of(collection, filling.region, filling.period, as_csv)
    if as_csv:
        # The byte order mark tells spreadsheets that the text is UTF-8.
        return Template(name, media_type, template_csv(contract, filling).encode("utf-8-sig"), len(filling.rows))
    return Template(name, media_type, template_workbook(contract, filling), len(filling.rows))


def filename_of(collection: str, region: str, period: str, as_csv: bool = False) -> tuple[str, str]:
    """Name and media type of a template's file, such as `ehcp_process-E12000001-2023-24-autumn.xlsx`."""
    stem = "-".join(part for part in (collection, region, period) if part)
    name = "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in stem)
    return (f"{name}.csv", CSV) if as_csv else (f"{name}.xlsx", XLSX)


def _for_the_country() -> Filling:
    table = current_authorities()
    pairs = tuple(zip(table["authority"], table["name"], strict=True))
    return Filling(authorities=pairs, reforms=tuple(reform.id for reform in reforms()))


def _for_the_region(store: Store, target: Target) -> Filling:
    table = current_authorities(parse(target.period).end)
    mine = table[table["region"] == target.region].sort_values("authority")
    pairs = tuple(zip(mine["authority"], mine["name"], strict=True))
    rows = key_rows(target.contract, target.period, [code for code, _ in pairs], previous_rows(store, target))
    return Filling(target.region, target.period, pairs, tuple(reform.id for reform in reforms()), tuple(rows))


def field_guide(collection: str, version: str | None = None) -> Guide:
    """The field guide of a collection.

    Args:
        collection: its name.
        version: of the contract; None for the newest.

    Raises:
        UserError: there is no such collection or version.
    """
    return guide(contract_of(collection, version))


def field_guide_of_cases(collection: str) -> Guide:
    """The field guide of the case file of which a return is made.

    Raises:
        UserError: the return is not made of cases.
    """
    return case_guide(_case_form(collection))


def example_of_cases(collection: str) -> str:
    """The made-up case file of a collection, as CSV.

    Raises:
        UserError: the return is not made of cases.
    """
    return _case_form(collection).example_csv()


def _case_form(collection: str) -> CaseForm:
    try:
        return load_case_form(collection)
    except ContractError as error:
        raise UserError(str(error)) from error


def contract_of(collection: str, version: str | None = None) -> Contract:
    """The contract of a collection.

    Raises:
        UserError: there is no such collection or version.
    """
    try:
        return load_contract(collection, version)
    except ContractError as error:
        raise UserError(str(error)) from error


def example(collection: str) -> str:
    """The filled-in example of a collection, as CSV.

    Raises:
        UserError: there is no such collection.
    """
    return contract_of(collection).example_csv()


def changes(collection: str) -> list[str]:
    """What changed in the contract of a collection since the version before, a sentence each; empty where it is the first.

    Raises:
        UserError: there is no such collection.
    """
    return [change.sentence for change in changes_since(contract_of(collection))]
