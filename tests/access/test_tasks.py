"""Who may do what: every task against every role, for the region itself, for another and for none. A new task needs a row."""

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pandas
import pytest

import pilots
from evaluation.cells import Recipe
from pilots import (
    accounts,
    auditing,
    backups,
    bundles,
    casefiles,
    collections,
    comparisons,
    corrections,
    deadlines,
    decisions,
    due,
    explanations,
    migrating,
    plans,
    published,
    register,
    releases,
    restatements,
    returns,
    runs,
    sessions,
    staleness,
    standing,
    templates,
    unkept,
)
from pilots.access import ACTIONS, ROLES, Actor, NotAllowed, actor_can
from pilots.casereturns import making
from pilots.demonstration import build
from pilots.errors import UserError
from pilots.published import changes, importing
from pilots.storage import Store, audit

ROOT = Path(__file__).resolve().parents[2]
EHCP, NORTH_EAST, TERM, OTHER_TERM = "ehcp_process", "E12000001", "2023/24 spring", "2022/23 summer"
FILE = "north-east-only.csv"

# Sets of people, written out here and not read from `pilots.access`: a slip there is found here.
SEND = "lead-own administrator"
SIGN = "approver-own administrator"
READ = "lead-own approver-own evaluator administrator"
DEPARTMENT = "evaluator administrator"
STUDY = "evaluator researcher administrator"
ADMINISTER = "administrator"
NARROWED = "lead-own lead-other lead-none approver-own approver-other approver-none evaluator administrator"  # to their regions
EVERYBODY = f"{NARROWED} researcher"


@dataclass(frozen=True)
class Row:
    """Who may; how it is called; what it is done to by reference; whether an allowed call ends in words of its own."""

    may: str
    call: Callable[..., Any]
    reference: str = ""
    ends_in_words: bool = False


def about(task: Callable[..., Any], *more: Any) -> Callable[..., Any]:
    return lambda store, actor, facts: task(store, actor, EHCP, NORTH_EAST, TERM, *more)


def named(task: Callable[..., Any], *more: Any) -> Callable[..., Any]:
    return lambda store, actor, facts, reference: task(store, actor, reference, *more)


def plain(task: Callable[..., Any], *more: Any) -> Callable[..., Any]:
    return lambda store, actor, facts: task(store, actor, *more)


SPELL = b"authority,reform,start,end,stage,intensity,halted_reason\nE06000001,digital_ehcp,2024-01-08,,2,0.5,\n"
RECIPE = Recipe("unit", "period", ("y",))
ROWS: dict[str, Row] = {
    "accounts.accounts": Row(ADMINISTER, plain(accounts.accounts)),
    "accounts.add_development_accounts": Row(ADMINISTER, plain(accounts.add_development_accounts)),
    "accounts.save_account": Row(ADMINISTER, plain(accounts.save_account, "new", "New", "researcher")),
    "auditing.audit_events": Row(ADMINISTER, plain(auditing.audit_events)),
    "auditing.exported_audit": Row(ADMINISTER, plain(auditing.exported_audit)),
    "auditing.verify_audit": Row(ADMINISTER, plain(auditing.verify_audit)),
    "backups.back_up": Row(
        ADMINISTER, lambda store, actor, f: backups.back_up(store, actor, f.backup.with_name(f"{uuid4()}.zip"))
    ),
    "backups.check_backup": Row(ADMINISTER, lambda store, actor, f: backups.check_backup(actor, f.backup)),
    "backups.restore": Row(ADMINISTER, lambda store, actor, f: backups.restore(store, actor, f.backup), ends_in_words=True),
    "bundles.again.rerun_bundle": Row(
        STUDY, lambda store, actor, f: bundles.rerun_bundle(actor, Path("no-such-bundle")), ends_in_words=True
    ),
    "bundles.making.make_bundle": Row(STUDY, plain(bundles.make_bundle, "RUN-0"), ends_in_words=True),
    "casefiles.make_cells": Row(
        EVERYBODY,
        lambda store, actor, f: casefiles.make_cells(actor, Path("no-such-folder"), Path("x.csv"), RECIPE),
        ends_in_words=True,
    ),
    "casefiles.make_cells_of_table": Row(
        EVERYBODY,
        lambda store, actor, f: casefiles.make_cells_of_table(actor, "nonsense", "t", Path("x.csv"), RECIPE),
        ends_in_words=True,
    ),
    "casereturns.making.make_return": Row(
        f"{READ} researcher",
        lambda store, actor, f: making.make_return(actor, Path("no-such-folder"), making.Asked(EHCP, NORTH_EAST, TERM)),
        ends_in_words=True,
    ),
    "collections.asked_now": Row(NARROWED, plain(collections.asked_now)),
    "collections.set_asked_until": Row(DEPARTMENT, plain(collections.set_asked_until, date(2199, 12, 31))),
    "comparisons.compare_rows": Row(
        READ, lambda store, actor, f: comparisons.compare_rows(store, actor, EHCP, NORTH_EAST, TERM, f.report.rows)
    ),
    "comparisons.compare_submission": Row(READ, named(comparisons.compare_submission), "submitted"),
    "corrections.corrected_file": Row(READ, named(corrections.corrected_file), "submitted"),
    "corrections.corrections_of": Row(READ, named(corrections.corrections_of), "submitted"),
    "deadlines.ask_extension": Row(SEND, about(deadlines.ask_extension, date(2031, 1, 6), "A fire.")),
    "deadlines.decide_extension": Row(DEPARTMENT, named(deadlines.decide_extension, True), "request"),
    "deadlines.extensions": Row(NARROWED, plain(deadlines.extensions)),
    "decisions.accept_return": Row(DEPARTMENT, named(decisions.accept_return), "signed"),
    "decisions.history": Row(READ, named(decisions.history), "submitted"),
    "decisions.reached": Row(READ, lambda store, actor, f, one: decisions.reached(store, actor, "read_returns", one), "signed"),
    "decisions.send_back_return": Row(DEPARTMENT, named(decisions.send_back_return, "Wrong."), "signed"),
    "decisions.sign_off_return": Row(SIGN, named(decisions.sign_off_return), "submitted"),
    "decisions.withdraw_return": Row(SEND, named(decisions.withdraw_return, "Wrong."), "submitted"),
    "demonstration.build.build_demonstration": Row(ADMINISTER, plain(build.build_demonstration), ends_in_words=True),
    "due.returns_due": Row(NARROWED, plain(due.returns_due)),
    "explanations.checked": Row(READ, named(explanations.checked), "submitted"),
    "explanations.check_row": Row(
        READ, lambda store, actor, f, one: explanations.check_row(store, actor, "read_returns", one), "check"
    ),
    "explanations.explain_return": Row(SEND, named(explanations.explain_return, {}), "check"),
    "explanations.newest_check": Row(
        READ, lambda store, actor, f: explanations.newest_check(store, actor, EHCP, NORTH_EAST, TERM, f.sha256)
    ),
    "explanations.queries_of": Row(
        READ, lambda store, actor, f: explanations.queries_of(store, actor, EHCP, NORTH_EAST, TERM, f.report)
    ),
    "explanations.queries_of_check": Row(READ, named(explanations.queries_of_check), "check"),
    "migrating.table_versions": Row(ADMINISTER, plain(migrating.table_versions)),
    "migrating.take_tables_back": Row(ADMINISTER, plain(migrating.take_tables_back, "0001"), ends_in_words=True),
    "plans.tasks.plans": Row(STUDY, plain(plans.plans)),
    "plans.tasks.register_plan": Row(DEPARTMENT, lambda store, actor, f: plans.register_plan(store, actor, f.plan)),
    "plans.tasks.seals": Row(STUDY, plain(plans.seals)),
    "published.accounting.account_of_file": Row(
        STUDY, lambda store, actor, f: published.account_of_file(actor, "a.zip", b"junk"), ends_in_words=True
    ),
    "published.accounting.account_of_vintage": Row(STUDY, plain(published.account_of_vintage, "EES-0001"), ends_in_words=True),
    "published.changes.compare_vintages": Row(STUDY, plain(changes.compare_vintages, "EES-0001", "EES-0002"), ends_in_words=True),
    "published.importing.import_ees": Row(ADMINISTER, plain(published.import_ees, "a.zip", b"junk"), ends_in_words=True),
    "published.importing.receive": Row(ADMINISTER, plain(importing.receive, "a.zip", b"junk", None)),
    "published.lait.import_lait": Row(ADMINISTER, plain(published.import_lait, "a.csv", b"junk"), ends_in_words=True),
    "published.lait.import_published": Row(ADMINISTER, plain(published.import_published, "a.csv", b"junk"), ends_in_words=True),
    "published.series.report": Row(STUDY, plain(published.report, "EES-0001"), ends_in_words=True),
    "published.series.vintages": Row(STUDY, plain(published.vintages)),
    "register.check_register": Row(ADMINISTER, plain(register.check_register, "register.csv", SPELL)),
    "register.register_reforms": Row(ADMINISTER, plain(register.register_reforms, "register.csv", SPELL)),
    "register.spells": Row(EVERYBODY, plain(register.spells)),
    "releases.make_release": Row(DEPARTMENT, plain(releases.make_release)),
    "releases.release": Row(STUDY, plain(releases.release), ends_in_words=True),
    "releases.releases": Row(STUDY, plain(releases.releases)),
    "restatements.compare_releases": Row(STUDY, plain(restatements.compare_releases, "R0001", "R0002"), ends_in_words=True),
    "restatements.restatement_effect": Row(
        STUDY, lambda store, actor, f: restatements.restatement_effect(store, actor, "R0001", "R0002", f.plan), ends_in_words=True
    ),
    "returns.check_return": Row(
        SEND, lambda store, actor, f: returns.check_return(store, actor, EHCP, NORTH_EAST, TERM, FILE, f.content)
    ),
    "returns.check_with_corrections": Row(
        SEND, lambda store, actor, f: returns.check_with_corrections(store, actor, EHCP, NORTH_EAST, TERM, FILE, f.content)
    ),
    "returns.checks": Row(NARROWED, plain(returns.checks)),
    "returns.declare_nil_return": Row(
        SEND, lambda store, actor, f: returns.declare_nil_return(store, actor, EHCP, NORTH_EAST, OTHER_TERM, "Nothing.")
    ),
    "returns.findings": Row(READ, named(returns.findings), "check"),
    "returns.latest": Row(READ, about(returns.latest)),
    "returns.original_file": Row(READ, named(returns.original_file), "submitted"),
    "returns.submission": Row(READ, named(returns.submission), "submitted"),
    "returns.submission_rows": Row(READ, named(returns.submission_rows), "submitted"),
    "returns.periods_sent": Row(NARROWED, plain(returns.periods_sent)),
    "returns.submissions": Row(NARROWED, plain(returns.submissions)),
    "returns.submit_return": Row(
        SEND, lambda store, actor, f: returns.submit_return(store, actor, EHCP, NORTH_EAST, TERM, FILE, f.content)
    ),
    "runs.evaluate": Row(STUDY, lambda store, actor, f: runs.evaluate(store, actor, f.plan), ends_in_words=True),
    "runs.evaluate_plans": Row(STUDY, lambda store, actor, f: runs.evaluate_plans(store, actor, [f.plan]), ends_in_words=True),
    "runs.rerun": Row(STUDY, plain(runs.rerun, "RUN-0"), ends_in_words=True),
    "runs.run": Row(STUDY, plain(runs.run, "RUN-0"), ends_in_words=True),
    "runs.runs": Row(STUDY, plain(runs.runs)),
    "sessions.end_sessions": Row(ADMINISTER, plain(sessions.end_sessions, "researcher", "development")),
    "staleness.runs_that_used": Row(READ, named(staleness.runs_that_used), "submitted"),
    "staleness.stale_runs": Row(STUDY, plain(staleness.stale_runs)),
    "standing.standing_now": Row(STUDY, lambda store, actor, f: standing.standing_now(store, actor, f.plan)),
    "templates.template": Row(READ, about(templates.template, True)),
    "unkept.purge": Row(ADMINISTER, plain(unkept.purge)),
}
# Parts of tasks: they act for whoever the task let through, and only the modules named here may call them.
PARTS = {
    "answers.answers": {"pilots.runs"},
    "due.waiting_for": {"pages.due", "pilots.commands.decisions"},  # picks from a list that somebody was shown
    "uploads.examine": {"pilots.returns", "pilots.register"},
    "uploads.keep_version": {"pilots.returns"},
    "uploads.receive": {"pilots.returns", "pilots.register"},
    "uploads.repeated": {"pilots.returns", "pilots.register"},
    "uploads.submit": {"pilots.returns", "pilots.register"},
}


def tasks() -> set[str]:
    """Every public function of the programme that takes somebody who acts."""
    found = set()
    for module in pkgutil.walk_packages(pilots.__path__, "pilots."):
        if module.name.startswith(("pilots.commands", "pilots.storage", "pilots.__main__", "pilots.access")):
            continue
        for name, function in vars(importlib.import_module(module.name)).items():
            mine = inspect.isfunction(function) and function.__module__ == module.name and not name.startswith("_")
            if mine and any(hint is Actor or hint == "Actor" for hint in function.__annotations__.values()):
                found.add(f"{module.name.removeprefix('pilots.')}.{name}")
    return found


def test_every_task_has_a_row() -> None:
    assert tasks() == set(ROWS) | set(PARTS)


def refused(call: Callable[[], Any]) -> str | None:
    """The words of the refusal; None where the call was let through."""
    try:
        call()
    except NotAllowed as error:
        return str(error)
    except UserError:
        return None
    return None


def called(row: Row, store: Store, actor: Actor, facts: Any, reference: str | None = None) -> Any:
    given = [reference or getattr(facts, row.reference)] if row.reference else []
    return row.call(store, actor, facts, *given)


@pytest.mark.parametrize("name", sorted(ROWS))
def test_only_those_who_may(name: str, world: Any, fresh: Callable[[], Store]) -> None:
    row, untouched = ROWS[name], fresh()
    with untouched.read() as connection:
        before = audit.last_event(connection)
    let_through = {
        who
        for who, actor in world.people.items()
        if who not in row.may.split() and not refused(lambda actor=actor: called(row, untouched, actor, world.facts))
    }
    assert not let_through
    with untouched.read() as connection:
        assert audit.last_event(connection) == before, "a refusal changes nothing"
    for who in row.may.split():
        store, actor = fresh(), world.people[who]
        if row.ends_in_words:
            with pytest.raises(UserError) as caught:
                called(row, store, actor, world.facts)
            assert not isinstance(caught.value, NotAllowed), who
        else:
            shown = called(row, store, actor, world.facts)
            if who.endswith(("-other", "-none")):
                assert not of_the_north_east(shown), f"{who} sees something of the North East"


def of_the_north_east(shown: Any) -> bool:
    if isinstance(shown, pandas.DataFrame):
        return NORTH_EAST in shown.to_csv()
    return NORTH_EAST in repr(shown) or FILE in repr(shown)


@pytest.mark.parametrize("name", sorted(name for name, row in ROWS.items() if row.reference))
def test_whether_another_region_has_sent_something_is_told_to_nobody(name: str, world: Any, fresh: Callable[[], Store]) -> None:
    row, store = ROWS[name], fresh()
    there = getattr(world.facts, row.reference)
    missing = f"{there[:-1]}9" if there[-1] != "9" else f"{there[:-1]}8"
    outsiders = [who for who in world.people if not actor_can(world.people[who], "read_returns", NORTH_EAST)]
    assert len(outsiders) >= 6
    for who in outsiders:
        actor = world.people[who]
        words = [refused(partial(called, row, store, actor, world.facts, one)) for one in (there, missing)]
        assert words[0] and words[0].replace(there, "REF") == (words[1] or "").replace(missing, "REF"), who


def test_a_return_is_sent_back_in_place_of_signing_by_its_approver_only(world: Any, fresh: Callable[[], Store]) -> None:
    facts = world.facts
    may = {
        who
        for who, actor in world.people.items()
        if not refused(lambda actor=actor: decisions.send_back_return(fresh(), actor, facts.submitted, "Wrong."))
    }
    assert may == {"approver-own", "administrator"}


def test_parts_of_tasks_are_called_by_tasks_only() -> None:
    callers: dict[str, set[str]] = {name: set() for name in PARTS}
    for folder in ("pilots", "pages"):
        for path in (ROOT / folder).rglob("*.py"):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("pilots."):
                    for alias in node.names:
                        name = f"{node.module.removeprefix('pilots.')}.{alias.name}"
                        callers.get(name, set()).add(module)
    assert {name: found - PARTS[name] for name, found in callers.items()} == {name: set() for name in PARTS}


def test_every_action_is_asked_for_by_a_task() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "pilots").rglob("*.py") if path.name != "access.py")
    assert [action for action in ACTIONS if f'"{action}"' not in source] == []
    assert all(roles and roles <= set(ROLES) for _, roles in ACTIONS.values())
