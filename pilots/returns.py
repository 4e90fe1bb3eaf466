"""A region's returns: check, submit, and look them up. Each task checks who may do it. `decisions` has what comes after."""

from collections.abc import Mapping, Sequence
from functools import partial
from hashlib import sha256
from typing import Any

import pandas as pd

from data_contracts import Finding, Report
from data_contracts.corrections import Corrected
from pilots.access import REGIONAL, Actor, check_actor_can
from pilots.decisions import (
    accept_return,
    history,
    reached,
    send_back_return,
    sign_off_return,
    withdraw_return,
)
from pilots.errors import UserError
from pilots.explanations import check_reference, checked
from pilots.life import LIVE
from pilots.periods import london_day, parse
from pilots.receipts import Receipt
from pilots.storage import Store
from pilots.storage.base import now
from pilots.storage.blobs import kept_bytes
from pilots.storage.checks import mark_nil, stored_checks, stored_findings
from pilots.storage.submissions import VersionTaken, latest_of_file, latest_submission, sent_periods, stored_submissions
from pilots.tables import moment
from pilots.targets import Target, check_asked, collections, context_of, rows_of, target_of
from pilots.uploads import ReturnNotAccepted, check_said, examine, explained, keep_version, receive, repeated, submit
from pilots.wording import given_words

__all__ = [
    "Receipt",
    "ReturnNotAccepted",
    "accept_return",
    "check_return",
    "check_with_corrections",
    "checks",
    "collections",
    "declare_nil_return",
    "findings",
    "history",
    "latest",
    "original_file",
    "periods_sent",
    "send_back_return",
    "sign_off_return",
    "submission",
    "submission_rows",
    "submissions",
    "submit_return",
    "withdraw_return",
]


def _latest(store: Store, target: Target) -> dict[str, Any] | None:
    with store.read() as connection:
        return latest_submission(connection, *target.key)


def _told_of_repeat(report: Report, newest: Mapping[str, Any] | None, same: Mapping[str, Any] | None) -> Report:
    """The report, with a note where this very file is a version of the return already.

    Args:
        report: of the check.
        newest: version of the return.
        same: newest version that is this file. One that was sent back or withdrawn may be sent again, so that it is no repeat.
    """
    if newest is None or same is None or (same["reference"] == newest["reference"] and same["status"] not in LIVE):
        return report
    message = f"This very file was submitted on {moment(same['submitted_at'])} as {same['reference']}."
    if same["reference"] == newest["reference"]:
        note = Finding("history.same_file", "note", message, "There is nothing to do, unless you meant to send another file.")
    else:
        newer = f"{message} {newest['reference']} came after it."
        note = Finding("history.older_file", "note", newer, "Check that you chose the right file. Send it only to go back to it.")
    return report.noted(note)


def check_return(store: Store, actor: Actor, collection: str, region: str, period: str, filename: str, content: bytes) -> Report:
    """Check a file without submitting it. The bytes and the findings are kept.

    Args:
        store: where to.
        actor: a lead of the region, or an administrator.
        collection: what is asked for, for example `ehcp_process`.
        region: code of the region (E12…).
        period: as the collection has it, for example `2023/24 autumn`.
        filename: name of the file.
        content: its bytes.

    Raises:
        NotAllowed: the actor may not.
        UserError: there is no such collection, region or period. What is wrong in the file is in the report.
    """
    return check_with_corrections(store, actor, collection, region, period, filename, content).report


def check_with_corrections(
    store: Store,
    actor: Actor,
    collection: str,
    region: str,
    period: str,
    filename: str,
    content: bytes,
    corrections: Sequence[str] = (),
) -> Corrected:
    """Check a file with the corrections that its sender accepts; the bytes are kept as they came, and nothing is submitted.

    Args:
        store: where to.
        actor: a lead of the region, or an administrator.
        collection: what is asked for.
        region: code of the region (E12…).
        period: as the collection has it.
        filename: name of the file.
        content: its bytes.
        corrections: what is accepted: keys (`Correction.key`), or rules for all certain corrections of a rule.

    Raises:
        NotAllowed: the actor may not.
        UserError: there is no such collection, region or period, or what is accepted is not on offer.
    """
    check_actor_can(actor, "check_return", region)
    target = target_of(collection, region, period)
    upload = receive(store, actor, "check_return", target, filename, content)
    with store.read() as connection:
        newest, same = latest_submission(connection, *target.key), latest_of_file(connection, *target.key, upload.sha256)
    context = context_of(store, target)
    amend = partial(_told_of_repeat, newest=newest, same=same)
    done = examine(store, actor, "check_return", target, upload, context, amend, corrections)
    if done.unknown:
        raise UserError(_not_offered(done))
    return done


def _not_offered(done: Corrected) -> str:
    offered = ", ".join(dict.fromkeys(one.rule for one in done.offered)) or "none"
    return f"These corrections are not on offer for this file: {', '.join(done.unknown)}. On offer are now: {offered}."


def submit_return(
    store: Store,
    actor: Actor,
    collection: str,
    region: str,
    period: str,
    filename: str,
    content: bytes,
    explanations: Mapping[str, str] | None = None,
    reason: str | None = None,
    corrections: Sequence[str] = (),
) -> Receipt:
    """Check a file and submit it as the next version of the return. Nothing is ever overwritten.

    Args:
        store: where to.
        actor: a lead of the region, or an administrator.
        collection: what is asked for.
        region: code of the region (E12…).
        period: as the collection has it.
        filename: name of the file.
        content: its bytes.
        explanations: explanation by `Finding.key`, or by rule for all findings of a rule.
        reason: why the return is sent again; needed from the second version on.
        corrections: what is accepted, as `check_with_corrections` has it; they are stored with the submission.

    Returns:
        The receipt. Where the newest version is this very file, its receipt with `repeated` set: a retry does no harm.

    Raises:
        NotAllowed: the actor may not.
        UserError: there is no such collection, region or period.
        ReturnNotAccepted: errors, queries without explanation, no reason for a new version, or someone else was first.
    """
    check_actor_can(actor, "submit_return", region)
    target = target_of(collection, region, period)
    check_said(reason, explanations)
    upload = receive(store, actor, "submit_return", target, filename, content)
    latest = _latest(store, target)
    again = None if corrections else repeated(store, actor, "submit_return", target, upload, latest)
    if again is not None:
        return again
    done = examine(store, actor, "submit_return", target, upload, context_of(store, target), corrections=corrections)
    if done.unknown:
        raise ReturnNotAccepted([_not_offered(done)], done.report)
    if done.made:
        again = repeated(store, actor, "submit_return", target, upload, latest, sha256(done.text.encode()).hexdigest())
        if again is not None:
            return again
    notes = explained(store, target, upload, explanations or {})
    return submit(store, actor, "submit_return", target, upload, done.report, latest, notes, reason)


def declare_nil_return(store: Store, actor: Actor, collection: str, region: str, period: str, reason: str) -> Receipt:
    """Declare that a region has nothing to return for a period: the next version of the return, without rows.

    Its bytes are the declaration itself. It is signed and accepted like every other return.

    Args:
        store: where to.
        actor: a lead of the region, or an administrator.
        collection: what is asked for.
        region: code of the region (E12…).
        period: as the collection has it.
        reason: why there is nothing to return.

    Raises:
        NotAllowed: the actor may not.
        UserError: there is no such collection, region or period, it is not asked for or has not begun, or no reason.
        ReturnNotAccepted: someone else sent a version in this moment.
    """
    check_actor_can(actor, "declare_nil_return", region)
    target = target_of(collection, region, period)
    _check_begun(target)
    words = given_words(" ".join(reason.split()), "Say why there is nothing to return.")
    with store.read() as connection:
        check_asked(connection, target)
        newest, version = latest_submission(connection, *target.key), target.contract.version
    content = f"Nil return\n{collection} {version}\n{region}\n{target.period}\n{words}\n".encode()
    upload = receive(store, actor, "declare_nil_return", target, "nil return.txt", content)
    again = repeated(store, actor, "declare_nil_return", target, upload, newest)
    if again is not None:
        return again
    with store.write(actor, "declare_nil_return", target.name, {"step": "declared", "check": upload.number}) as connection:
        mark_nil(connection, upload.number, version)
    facts: dict[str, Any] = {
        "contract_version": version,
        "reason": words if newest else None,
        "explanations": {},
        "nil_reason": words,
    }
    try:
        return keep_version(store, actor, "declare_nil_return", target, upload, [], newest, facts)
    except VersionTaken as error:
        raise ReturnNotAccepted(["Someone else sent a version of this return in this moment. Look at it first."]) from error


def _check_begun(target: Target) -> None:
    start = parse(target.period).start
    if start > london_day(now()):
        raise UserError(f"{target.period} begins on {start:%d %B %Y}, which is in the future. Declare it once it has begun.")


def _own_regions(actor: Actor, region: str | None) -> list[str] | None:
    """The regions that the actor may read; None for all."""
    check_actor_can(actor, "read_returns", region)
    return list(actor.regions) if actor.role in REGIONAL else None


def submissions(
    store: Store,
    actor: Actor,
    collection: str | None = None,
    region: str | None = None,
    period: str | None = None,
    status: str | None = None,
    newest: int | None = None,
) -> list[Receipt]:
    """Submissions, newest first; a regional role sees those of its regions.

    Args:
        store: where.
        actor: who looks.
        collection: name of a collection, to see its returns only.
        region: code of a region, to see its returns only.
        period: to see the returns of this period only.
        status: one of `pilots.life.STATES`, to see the returns in this state only.
        newest: how many at most; None for all.

    Raises:
        NotAllowed: the actor may not read returns, or not those of this region.
    """
    own, narrowed = _own_regions(actor, region), {"collection": collection, "region": region, "period": period, "status": status}
    with store.read() as connection:
        rows = stored_submissions(connection, own, newest=newest, **narrowed)
    return [Receipt.from_row(row) for row in rows]


def periods_sent(store: Store, actor: Actor) -> list[str]:
    """The periods for which something was sent, newest first; a regional role sees those of its regions.

    Raises:
        NotAllowed: the actor may not read returns.
    """
    own = _own_regions(actor, None)
    with store.read() as connection:
        found = [parse(period) for period in sent_periods(connection, own) if period]
    return [str(one) for one in sorted(found, key=lambda one: (one.start, str(one)), reverse=True)]


def latest(store: Store, actor: Actor, collection: str, region: str, period: str) -> Receipt | None:
    """The newest version of a return, in whatever state; None where nothing was submitted.

    Raises:
        NotAllowed: the actor may not read returns of this region.
        UserError: there is no such collection, region or period.
    """
    check_actor_can(actor, "read_returns", region)
    row = _latest(store, target_of(collection, region, period))
    return None if row is None else Receipt.from_row(row)


def submission(store: Store, actor: Actor, reference: str) -> Receipt:
    """One submission.

    Raises:
        NotAllowed: the actor may not read it.
        UserError: there is no such submission.
    """
    row = reached(store, actor, "read_returns", reference)
    return Receipt.from_row(row)


def submission_rows(store: Store, actor: Actor, reference: str) -> pd.DataFrame:
    """The typed rows of a submission: `row` (number in the file), then the contract's columns.

    Raises:
        NotAllowed: the actor may not read it.
        UserError: there is no such submission.
    """
    return rows_of(store, reached(store, actor, "read_returns", reference))


def original_file(store: Store, actor: Actor, reference: str) -> tuple[str, bytes]:
    """Name and bytes of a submission's file, as they came.

    Raises:
        NotAllowed: the actor may not read it.
        UserError: there is no such submission.
    """
    row = reached(store, actor, "read_returns", reference)
    with store.read() as connection:
        content = kept_bytes(connection, row["sha256"])
    if content is None:
        raise RuntimeError(f"the bytes of {reference} are not in the store")
    return row["filename"], content


def checks(
    store: Store, actor: Actor, collection: str | None = None, region: str | None = None, period: str | None = None
) -> list[dict[str, Any]]:
    """Every file that came, newest first, submitted or not: reference, filename, sha256, state, counts of findings, received_at.

    Raises:
        NotAllowed: the actor may not read returns, or not those of this region.
    """
    own = _own_regions(actor, region)
    with store.read() as connection:
        rows = stored_checks(connection, own, collection=collection, region=region, period=period)
    return [{"reference": check_reference(row["id"]), **row} for row in rows]


def findings(store: Store, actor: Actor, reference: str) -> list[dict[str, Any]]:
    """What the check of a submission, or of a file that was only checked, found.

    Args:
        store: where.
        actor: who wants to read.
        reference: of a submission, or of a check (`CHECK-…`).

    Returns:
        One mapping a finding: rule, severity, message, fix, sheet, row, cell, column, value, key, explanation.

    Raises:
        NotAllowed: the actor may not read it.
        UserError: there is no such submission or check.
    """
    number, row = checked(store, actor, reference)
    explanations = row.get("explanations", {})  # a check that was not submitted has none with it
    with store.read() as connection:
        found = stored_findings(connection, number)
    for finding in found:
        finding["explanation"] = explanations.get(finding["key"]) or explanations.get(finding["rule"])
    return found
