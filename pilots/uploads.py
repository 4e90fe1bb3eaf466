"""From a file to stored findings and a submission: the way that returns and the reform register have in common.

Bytes are kept in a transaction of their own before anything reads them; findings in another, of failed checks too, in which the
content of a file that holds identifiers of persons is removed; the submission in a third.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from data_contracts import Context, Finding, Report
from data_contracts.corrections import Corrected, check_corrected
from data_contracts.reading import safe_name
from pilots.access import Actor
from pilots.deadlines import days_late, deadline
from pilots.decisions import give_way
from pilots.errors import UserError
from pilots.life import ACCEPTED, AT_ACCEPTANCE, AT_SUBMISSION, LIVE, STATES, SUBMITTED
from pilots.places import code_for_name
from pilots.receipts import Receipt
from pilots.storage import Store
from pilots.storage.blobs import is_rested_on, keep_again, keep_bytes, remove_bytes
from pilots.storage.checks import add_check, finish_check, mark_not_kept, mark_repeated, stored_notes
from pilots.storage.corrections import add_corrections
from pilots.storage.submissions import VersionTaken, add_step, add_submission, latest_submission, stored_submission
from pilots.tables import moment
from pilots.targets import Target
from pilots.typed_rows import Row, as_json, digest
from pilots.wording import given_words


class ReturnNotAccepted(UserError):
    """A file that was received and checked, but not submitted.

    Attributes:
        report: the check's report, or None where it did not come to a check.
        problems: what stands in the way, one sentence each.
    """

    def __init__(self, problems: list[str], report: Report | None = None) -> None:
        super().__init__(" ".join(["The return was not submitted.", *problems]))
        self.problems = problems
        self.report = report


_NOT_KEPT = Finding(
    "text.not_kept",
    "note",
    "This file seems to hold identifiers of persons, so its content is not kept. Its name, size, digest and what was found are.",
    "Take them out of the file and send it again.",
)


@dataclass(frozen=True)
class Upload:
    """A file that was received: the check's number, digest, name made safe to show, moment of receipt, bytes, name as sent."""

    number: int
    sha256: str
    filename: str
    received_at: datetime
    content: bytes
    sent_as: str


def receive(store: Store, actor: Actor, action: str, target: Target, filename: str, content: bytes) -> Upload:
    """Keep the bytes, before anything looks into them."""
    name = safe_name(filename)
    detail: dict[str, Any] = {"step": "received", "filename": name, "size": len(content)}
    with store.write(actor, action, target.name, detail) as connection:
        sha256 = keep_bytes(connection, content)
        facts = {"collection": target.collection, "region": target.region, "period": target.period, "filename": name}
        number, at = add_check(connection, received_by=actor.subject, sha256=sha256, **facts)
        detail |= {"sha256": sha256, "check": number}
    return Upload(number, sha256, name, at, content, filename)


def examine(
    store: Store,
    actor: Actor,
    action: str,
    target: Target,
    upload: Upload,
    context: Context,
    amend: Callable[[Report], Report] | None = None,
    corrections: Sequence[str] = (),
) -> Corrected:
    """Check the file and store what was found. A check that dies leaves the bytes and the words "could not finish checking".

    Args:
        store: where to.
        actor: who sent the file.
        action: the task's name in `ACTIONS`.
        target: the return.
        upload: the file as received.
        context: what the check knows beside the file.
        amend: adds findings of a task's own before they are stored.
        corrections: what the sender accepts, by key or by rule; what was made is stored with the check, and the corrected table,
            unless the file holds identifiers.
    """
    done = check_corrected(target.contract, upload.sent_as, upload.content, context, corrections, code_for_name)
    done = done if amend is None else replace(done, report=amend(done.report))
    if done.identifiers:
        done = replace(done, report=done.report.noted(_NOT_KEPT))
    plain = done.report.to_dict()
    findings = plain.pop("findings")
    counts = {"errors": len(done.report.errors), "queries": len(done.report.queries), "notes": len(done.report.notes)}
    detail: dict[str, Any] = {"step": "checked", "check": upload.number, "sha256": upload.sha256}
    detail |= {"contract_version": done.report.version, **counts}
    with store.write(actor, action, target.name, detail) as connection:
        finish_check(connection, upload.number, contract_version=done.report.version, report=plain, findings=findings)
        detail["removed"] = done.identifiers and not is_rested_on(connection, upload.sha256)
        if detail["removed"]:
            mark_not_kept(connection, upload.number)
            remove_bytes(connection, upload.sha256)
        else:
            keep_again(connection, upload.content)
        if done.made and not done.identifiers:
            sha256 = keep_bytes(connection, done.text.encode())
            add_corrections(connection, upload.number, [one.to_dict() for one in done.made], sha256)
            detail |= {"corrections": [one.key for one in done.made], "corrected_sha256": sha256}
    if detail["removed"]:
        store.wipe_log()
    return done


def repeated(
    store: Store,
    actor: Actor,
    action: str,
    target: Target,
    upload: Upload,
    latest: dict[str, Any] | None,
    corrected: str | None = None,
) -> Receipt | None:
    """The receipt given before, where the newest version is this very file under this very contract; None otherwise.

    A version that was sent back or withdrawn does not count: its file may be sent again. Nor does one with other corrections:
    `corrected` is the digest of the corrected table, None where no correction was accepted.
    """
    if (
        latest is None
        or latest["status"] not in LIVE
        or (latest["sha256"], latest["contract_version"]) != (upload.sha256, target.contract.version)
        or latest["corrected_sha256"] != corrected
    ):
        return None
    detail = {"step": "the same file again", "reference": latest["reference"], "check": upload.number}
    with store.write(actor, action, target.name, detail) as connection:
        mark_repeated(connection, upload.number)
    return Receipt.from_row(latest, repeated=True)


def unexplained(report: Report, explanations: Mapping[str, str]) -> list[str]:
    """Keys of the queries that have no explanation, by their key or by their rule."""
    given = {key for key, text in explanations.items() if text.strip()}
    return [finding.key for finding in report.queries if finding.key not in given and finding.rule not in given]


def _problems(report: Report, explanations: Mapping[str, str], latest: dict[str, Any] | None, reason: str | None) -> list[str]:
    if report.errors:
        count = "is 1 error. Put it right" if len(report.errors) == 1 else f"are {len(report.errors):,} errors. Put them right"
        return [f"There {count} and send the file again."]
    problems = []
    missing = unexplained(report, explanations)
    if missing:
        shown = ", ".join(missing[:5]) + (", …" if len(missing) > 5 else "")
        problems.append(f"Explain each query, or put it right. Without explanation: {shown}.")
        known = {finding.key for finding in report.queries} | {finding.rule for finding in report.queries}
        stray = sorted(set(explanations) - known)
        if stray:
            problems.append(f"These explanations fit no query of the file: {', '.join(stray)}.")
    if latest is not None and not (reason or "").strip():
        when = moment(latest["submitted_at"])
        problems.append(
            f"{latest['submitted_by']} submitted this return on {when} ({latest['reference']}, "
            f"{STATES[latest['status']].words}). To send a new version, say why: give a reason."
        )
    return problems


def check_said(reason: str | None, explanations: Mapping[str, str] | None) -> None:
    """Stop where a reason or an explanation is too long, or holds an identifier of a person.

    Raises:
        UserError: it is or does.
    """
    for text in (reason, *(explanations or {}).values()):
        given_words(text)


def explained(store: Store, target: Target, upload: Upload, given: Mapping[str, str]) -> dict[str, str]:
    """What was said of the file's queries: what was kept for this file before, and what is given now, which counts."""
    with store.read() as connection:
        kept = stored_notes(connection, *target.key, upload.sha256)
    return {**kept, **given}


def submit(
    store: Store,
    actor: Actor,
    action: str,
    target: Target,
    upload: Upload,
    report: Report,
    latest: dict[str, Any] | None,
    explanations: Mapping[str, str],
    reason: str | None,
    accept: bool = False,
) -> Receipt:
    """Store a checked file as the next version of its return; the database decides which of several at once comes first.

    Args:
        store: where to.
        actor: who submits; permission is checked by the task.
        action: the task's name in `ACTIONS`.
        target: the return.
        upload: the file as received.
        report: its check.
        latest: the newest version before the check, or None.
        explanations: explanation by key of finding, or by rule.
        reason: why there is a new version.
        accept: accept it in the same transaction: for what the department itself sends.

    Raises:
        ReturnNotAccepted: errors, queries without explanation, no reason, or someone else was first.
    """
    problems = _problems(report, explanations, latest, reason)
    if problems or report.rows is None:
        raise ReturnNotAccepted(problems, report)
    facts = {
        "contract_version": report.version,
        "reason": (reason or "").strip() or None,
        "explanations": {key: text.strip() for key, text in sorted(explanations.items()) if text.strip()},
    }
    try:
        return keep_version(store, actor, action, target, upload, as_json(report.rows), latest, facts, accept)
    except VersionTaken:
        return _someone_was_first(store, target, upload, report)


def keep_version(
    store: Store,
    actor: Actor,
    action: str,
    target: Target,
    upload: Upload,
    rows: list[Row],
    latest: dict[str, Any] | None,
    facts: Mapping[str, Any],
    accept: bool = False,
) -> Receipt:
    """Store rows as the next version of a return, with its deadline and first step, and let earlier versions give way.

    Args:
        store: where to.
        actor: who submits.
        action: the task's name in `ACTIONS`.
        target: the return.
        upload: what was received.
        rows: row number in the file and values as plain JSON.
        latest: the newest version that was known, or None.
        facts: contract_version, reason, explanations; nil_reason where it is a nil return.
        accept: accept it in the same transaction.

    Raises:
        VersionTaken: someone else stored this version first.
    """
    version = 1 if latest is None else latest["version"] + 1
    reference = f"{target.name}-v{version}"
    about = {"reference": reference, "version": version}
    about |= dict(zip(("collection", "region", "period"), target.key, strict=True))
    detail = {"step": "submitted", "sha256": upload.sha256, "rows": len(rows), "rows_digest": digest(rows)}
    with store.write(actor, action, reference, detail) as connection:
        keep_again(connection, upload.content)
        due = deadline(connection, target) if target.period else None
        late = None if due is None else days_late(due, upload.received_at)
        number = add_submission(
            connection,
            rows,
            **about,
            **facts,
            check_id=upload.number,
            sha256=upload.sha256,
            filename=upload.filename,
            rows_digest=detail["rows_digest"],
            supersedes=None if latest is None else latest["reference"],
            received_at=upload.received_at,
            submitted_by=actor.subject,
            due=None if due is None else due.isoformat(),
            late_days=late,
        )
        add_step(connection, number, SUBMITTED, actor.subject)
        if accept:
            add_step(connection, number, ACCEPTED, actor.subject, after=SUBMITTED)
        detail |= {"late_days": late}
        detail["superseded"] = give_way(connection, about, AT_ACCEPTANCE if accept else AT_SUBMISSION, actor.subject)
        stored = stored_submission(connection, reference)
    if stored is None:
        raise RuntimeError(f"{reference} was stored but cannot be read back")
    return Receipt.from_row(stored)


def _someone_was_first(store: Store, target: Target, upload: Upload, report: Report) -> Receipt:
    with store.read() as connection:
        first = latest_submission(connection, *target.key)
    if first is not None and first["sha256"] == upload.sha256:
        return Receipt.from_row(first, repeated=True)
    who = "Someone else" if first is None else f"{first['submitted_by']} ({first['reference']}, {moment(first['submitted_at'])})"
    problem = (
        f"While this file was being checked, {who} submitted a version of the same return. "
        "Look at it; if yours is the right one, send it again with a reason."
    )
    raise ReturnNotAccepted([problem], report)
