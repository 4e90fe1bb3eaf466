"""Explaining the queries of a file: what was said of the same query before is offered, what is said now is kept with the file.

The same query is the same rule about the same place: the same column of the same authority (and stratum), whatever row it is in.
Nothing is carried forward by itself: the lead takes over what still holds.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from data_contracts import Contract, Report, load_contract
from data_contracts.corrections import check_corrected
from pilots.access import Actor, check_actor_can, check_actor_can_reach
from pilots.decisions import reached
from pilots.errors import UserError
from pilots.life import STATES, WITHDRAWN
from pilots.places import code_for_name
from pilots.storage import Store
from pilots.storage.blobs import kept_bytes
from pilots.storage.checks import add_notes, stored_check, stored_checks, stored_findings, stored_notes
from pilots.storage.corrections import stored_corrections
from pilots.storage.submissions import stored_rows, stored_submissions
from pilots.targets import Target, context_of, latest_before, target_of
from pilots.typed_rows import as_frame
from pilots.wording import given_words

CHECK_PREFIX = "CHECK-"
Place = tuple[str, ...]


@dataclass(frozen=True)
class Query:
    """A query of a file, what was said of it, and what was said of the same query before.

    Attributes:
        key: names it within its file.
        rule: id of the rule.
        message: what was found.
        row: row of the file, or None.
        column: column of the contract, or None.
        value: what was entered, or None.
        explanation: what is kept for it; None where nothing is.
        offered: what was said of the same query before; None where it did not come before.
        offered_from: reference of the submission in which that was said.
    """

    key: str
    rule: str
    message: str
    row: int | None
    column: str | None
    value: str | None
    explanation: str | None
    offered: str | None
    offered_from: str | None

    def to_dict(self) -> dict[str, Any]:
        """The query as plain JSON."""
        return asdict(self)


def check_reference(number: int) -> str:
    """The reference of a check."""
    return f"{CHECK_PREFIX}{number:06d}"


def newest_check(store: Store, actor: Actor, collection: str, region: str, period: str, sha256: str) -> str | None:
    """Reference of the last check of a file for a return; None where it was not checked.

    Raises:
        NotAllowed: the actor may not read returns of this region.
    """
    check_actor_can(actor, "read_returns", region)
    with store.read() as connection:
        found = stored_checks(connection, collection=collection, region=region, period=period)
    return next((check_reference(one["id"]) for one in found if one["sha256"] == sha256), None)


def queries_of(store: Store, actor: Actor, collection: str, region: str, period: str, report: Report) -> list[Query]:
    """The queries of a report, with what was said of each before.

    Args:
        store: where.
        actor: who may read the region's returns.
        collection: what is asked for.
        region: code of the region.
        period: of the return.
        report: of the check; without typed rows (where there are errors) nothing is offered.

    Raises:
        NotAllowed: the actor may not read returns of this region.
        UserError: there is no such collection, region or period.
    """
    check_actor_can(actor, "read_returns", region)
    target = target_of(collection, region, period)
    offers = _offers(store, target)
    places = {} if report.rows is None else _places(target.contract, report.rows)
    with store.read() as connection:
        kept = stored_notes(connection, *target.key, report.sha256)
    made = []
    for finding in report.queries:
        offered = offers.get(_place(finding.rule, finding.column, finding.row, finding.value, places))
        named = {name: getattr(finding, name) for name in ("key", "rule", "message", "row", "column", "value")}
        said = kept.get(finding.key) or kept.get(finding.rule)
        before, reference = offered or (None, None)
        made.append(Query(**named, explanation=said, offered=before, offered_from=reference))
    return made


def queries_of_check(store: Store, actor: Actor, reference: str) -> list[Query]:
    """The queries of a check (`CHECK-…`), as `queries_of` gives them.

    The file is read again from its kept bytes, with the corrections that were accepted.

    Raises:
        NotAllowed: the actor may not read it.
        UserError: there is no such check.
    """
    row = check_row(store, actor, "read_returns", reference)
    target = target_of(row["collection"], row["region"], row["period"])
    with store.read() as connection:
        content, accepted = kept_bytes(connection, row["sha256"]) or b"", stored_corrections(connection, row["id"])
    corrections = [] if accepted is None else [one["key"] for one in accepted["made"]]
    done = check_corrected(target.contract, row["filename"], content, context_of(store, target), corrections, code_for_name)
    return queries_of(store, actor, *target.key, done.report)


def explain_return(
    store: Store, actor: Actor, reference: str, explanations: Mapping[str, str], carry_forward: bool = False
) -> list[Query]:
    """Keep explanations with a checked file, so that submitting it takes them; the last word on each query counts.

    Args:
        store: where.
        actor: a lead of the region, or an administrator.
        reference: of the check (`CHECK-…`).
        explanations: text by key of query, or by rule for all queries of a rule; a blank takes one back.
        carry_forward: take over every explanation that is offered, where none is given or kept.

    Returns:
        The queries of the file, with what is said of them now.

    Raises:
        NotAllowed: the actor may not.
        UserError: there is no such check, or an explanation fits no query of the file, is too long or tells of a person.
    """
    row = check_row(store, actor, "explain_return", reference)
    asked = queries_of_check(store, actor, reference)
    given = {key: given_words(" ".join(text.split())) for key, text in explanations.items()}
    known = {one.key for one in asked} | {one.rule for one in asked}
    stray = sorted(set(given) - known)
    if stray:
        raise UserError(f"These explanations fit no query of the file: {', '.join(stray)}. Look at its queries first.")
    if carry_forward:
        given = {**{one.key: one.offered for one in asked if one.offered and not one.explanation}, **given}
    with store.write(actor, "explain_return", reference, {"explained": sorted(given)}) as connection:
        add_notes(connection, row["id"], given, actor.subject)
    return queries_of_check(store, actor, reference)


def check_row(store: Store, actor: Actor, action: str, reference: str) -> dict[str, Any]:
    """A check as it is stored, for somebody who may do this to it.

    Raises:
        NotAllowed: the actor may not.
        UserError: there is no such check; only who may read every region's returns is told so.
    """
    digits = reference.removeprefix(CHECK_PREFIX)
    row = None
    if reference.startswith(CHECK_PREFIX) and digits.isdecimal():
        with store.read() as connection:
            row = stored_check(connection, int(digits))
    check_actor_can_reach(actor, action, reference, None if row is None else row["region"])
    if row is None:
        raise UserError(f"There is no check “{reference}”. Look up its reference in the list of checks.")
    return row


def checked(store: Store, actor: Actor, reference: str) -> tuple[int, dict[str, Any]]:
    """Number of the check that a reference of a check or of a submission leads to, and the row that it names, to be read.

    Raises:
        NotAllowed: the actor may not read it.
        UserError: there is no such check or submission.
    """
    if reference.startswith(CHECK_PREFIX):
        row = check_row(store, actor, "read_returns", reference)
        return row["id"], row
    row = reached(store, actor, "read_returns", reference)
    return row["check_id"], row


def _offers(store: Store, target: Target) -> dict[Place, tuple[str, str]]:
    """What was said of each query before, and where: in the versions of this return, else in the return of the period before."""
    with store.read() as connection:
        told: dict[Place, tuple[str, str]] = {}
        for row in _before(connection, target):
            if not row["explanations"]:
                continue
            contract = load_contract(row["collection"], row["contract_version"])
            places = _places(contract, as_frame(contract, stored_rows(connection, [row["id"]])[row["id"]]))
            for found in stored_findings(connection, row["check_id"]):
                said = row["explanations"].get(found["key"]) or row["explanations"].get(found["rule"])
                if found["severity"] == "query" and said:
                    place = _place(found["rule"], found["column"], found["row"], found["value"], places)
                    told.setdefault(place, (said, row["reference"]))
    return told


def _before(connection: Any, target: Target) -> Iterator[dict[str, Any]]:
    """The versions of this return, newest first, then the newest version of the last period before that has one."""
    states = [state for state in STATES if state != WITHDRAWN]
    collection, region, period = target.key
    versions = stored_submissions(connection, collection=collection, region=region, period=period, states=states)
    yield from (row for row in versions if row["nil_reason"] is None)
    earlier = latest_before(connection, target, states)
    if earlier is not None:
        yield earlier


def _places(contract: Contract, rows: pd.DataFrame) -> dict[int, Place]:
    """What each row of a file is about: the key without the period, by row number."""
    period = contract.with_role("period")
    keys = [name for name in contract.key if (period is None or name != period.name) and name in rows]
    texts = [rows[name].astype(str).tolist() for name in keys]
    return dict(zip(rows["row"].tolist(), zip(*texts, strict=True), strict=True)) if keys else {}


def _place(rule: str, column: str | None, row: int | None, value: str | None, places: Mapping[int, Place]) -> Place:
    """What makes two queries the same: rule, column, and what the row is about; without a row, the value."""
    about = places.get(row, (f"row {row}",)) if row is not None else (value or "",)
    return (rule, column or "", *about)
