"""Every command against every role: who is let through and who is told that they may not. A new command needs a row."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from pilots.__main__ import pilots
from pilots.commands import COMMANDS
from pilots.storage import Store

PEOPLE = {
    "lead-own": "lead-E12000001",
    "lead-other": "lead-E12000002",
    "approver-own": "approver-E12000001",
    "approver-other": "approver-E12000002",
    "evaluator": "evaluator",
    "researcher": "researcher",
    "administrator": "administrator",
}
SEND, SIGN, ADMINISTER = "lead-own administrator", "approver-own administrator", "administrator"
READ = "lead-own approver-own evaluator administrator"
DEPARTMENT, STUDY = "evaluator administrator", "evaluator researcher administrator"
NARROWED = "lead-own lead-other approver-own approver-other evaluator administrator"
EVERYBODY = " ".join(PEOPLE)
RETURN = "--collection ehcp_process --region E12000001 --period 2023/24_spring"

# Who may, and what is typed after the command; {file}, {new} and {submitted} are put in, _ stands for a blank.
ROWS: dict[str, tuple[str, str]] = {
    "accounts add": (ADMINISTER, "x --name X --role researcher"),
    "accounts list": (ADMINISTER, ""),
    "accounts sign-out": (ADMINISTER, "x --issuer https://id.example.org"),
    "audit export": (ADMINISTER, "{new}"),
    "audit list": (ADMINISTER, ""),
    "audit verify": (ADMINISTER, ""),
    "backup": (ADMINISTER, "{new}"),
    "bundle": (STUDY, "RUN-0 --out {new}"),
    "cells": (EVERYBODY, "nothing-there {new} --unit a --period b --outcome c"),
    "check": (SEND, f"{{file}} {RETURN}"),
    "compare": (READ, "{submitted}"),
    "demonstration": (ADMINISTER, ""),
    "evaluate": (STUDY, "ehcp_timeliness --release no-such"),
    "findings": (READ, "{submitted}"),
    "guide": (EVERYBODY, "ehcp_process"),
    "import-ees": (ADMINISTER, "{file}"),
    "import-lait": (ADMINISTER, "{file}"),
    "migrate": (ADMINISTER, "--to 0001"),
    "neighbours": (EVERYBODY, "Leeds"),
    "overview": (STUDY, ""),
    "plan seal": (DEPARTMENT, "ehcp_timeliness"),
    "plan show": (STUDY, "ehcp_timeliness"),
    "plan-register": (DEPARTMENT, "{plan}"),
    "plans": (STUDY, ""),
    "published account": (STUDY, "EES-0001"),
    "published compare": (STUDY, "EES-0001 EES-0002"),
    "purge": (ADMINISTER, ""),
    "register": (ADMINISTER, "{file}"),
    "release": (DEPARTMENT, ""),
    "releases": (STUDY, ""),
    "releases compare": (STUDY, "R0001 R0002"),
    "releases effect": (STUDY, "R0001 R0002 --plan ehcp_timeliness"),
    "rerun": (STUDY, "RUN-0"),
    "restore": (ADMINISTER, "{file}"),
    "returns": (NARROWED, ""),
    "returns accept": (DEPARTMENT, "{signed}"),
    "returns asked-until": (DEPARTMENT, "2199-12-31"),
    "returns corrected": (READ, "{submitted} {new}"),
    "returns decide": (DEPARTMENT, "{request} --grant"),
    "returns due": (NARROWED, ""),
    "returns explain": (SEND, "{check} --explain x=y"),
    "returns extend": (SEND, f"{RETURN} --until 2031-01-06 --reason Flood"),
    "returns history": (READ, "{submitted}"),
    "returns more-time": (NARROWED, ""),
    "returns nil": (SEND, "--collection ehcp_process --region E12000001 --period 2022/23_summer --reason None"),
    "returns send-back": (DEPARTMENT, "{signed} --reason Wrong"),
    "returns sign": (SIGN, "{submitted}"),
    "returns withdraw": (SEND, "{submitted} --reason Wrong"),
    "runs": (STUDY, ""),
    "show": (STUDY, "RUN-0"),
    "spells": (EVERYBODY, ""),
    "submit": (SEND, f"{{file}} {RETURN}"),
    "template": (READ, "ehcp_process E12000001 2023/24_spring {new}"),
    "vintages": (STUDY, ""),
}
# It opens the screens, which ask who one is; by itself it reads and writes nothing.
WITHOUT_AN_ACTOR = {"serve"}
REFUSED = re.compile(r"\bcannot\b.*(Ask an? |acts for their own regions only|none of their regions)", re.DOTALL)


def every_command() -> set[str]:
    context, found = click.Context(pilots), set()
    for name in COMMANDS:
        one = pilots.get_command(context, name)
        if isinstance(one, click.Group):
            found |= {f"{name} {inner}" for inner in one.commands}
            found |= {name} if one.invoke_without_command else set()
        else:
            found.add(name)
    return found


def test_every_command_has_a_row() -> None:
    assert every_command() == set(ROWS) | WITHOUT_AN_ACTOR


@pytest.mark.slow
@pytest.mark.parametrize("fresh", ["sqlite"], indirect=True)  # commands call the tasks, which are tried on both databases
@pytest.mark.parametrize("name", sorted(ROWS))
def test_only_those_who_may(
    name: str, world: Any, fresh: Callable[[], Store], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PILOTS_DATABASE_URL", fresh().engine.url.render_as_string(hide_password=False))
    (tmp_path / "return.csv").write_bytes(world.facts.content)
    (tmp_path / "plan.yaml").write_text(world.facts.plan.text, encoding="utf-8")
    may, typed = ROWS[name]
    let_through = set()
    for number, (who, subject) in enumerate(PEOPLE.items()):
        put_in = {"file": tmp_path / "return.csv", "plan": tmp_path / "plan.yaml", "new": tmp_path / f"{number}.csv"}
        words = typed.format(**put_in, **{key: value for key, value in vars(world.facts).items() if isinstance(value, str)})
        given = [*name.split(), *(word.replace("_", " ") if "/24_" in word or "/23_" in word else word for word in words.split())]
        result = CliRunner().invoke(pilots, [*given, "--as", subject])
        assert result.exit_code != 2, result.output
        if not (result.exit_code == 1 and REFUSED.search(result.stderr)):
            let_through.add(who)
            if who.endswith("-other"):
                assert "north-east-only" not in result.output and "E12000001" not in result.output
    assert let_through == set(may.split())
