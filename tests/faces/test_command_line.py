import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from pilots.__main__ import Pilots, pilots
from pilots.commands import COMMANDS
from pilots.commands.shared import region_code
from pilots.errors import UserError

Command = Callable[..., Result]


def all_commands() -> list[tuple[str, ...]]:
    """Every command, and those of its group where it is one, as typed."""
    context = click.Context(pilots)
    found: list[tuple[str, ...]] = []
    for name in COMMANDS:
        one = pilots.get_command(context, name)
        found += [(name, inner) for inner in one.commands] if isinstance(one, click.Group) else [(name,)]
    return found


@pytest.mark.parametrize("typed", all_commands(), ids=" ".join)
def test_every_command_explains_itself_and_speaks_json(command: Command, typed: tuple[str, ...]) -> None:
    result = command(*typed, "--help")
    assert result.exit_code == 0
    assert "--json" in result.output and "--as" in result.output
    sentence = result.output.split("\n\n")[1].strip()
    assert sentence[0].isupper() and len(sentence) > 15


@pytest.mark.parametrize("name", COMMANDS)
def test_the_table_of_commands_names_them_as_they_are(name: str) -> None:
    one = pilots.get_command(click.Context(pilots), name)
    assert one is not None and one.name == name
    assert one.short_help == COMMANDS[name][1]


def test_help_lists_every_command_without_importing_the_statistics_or_tables() -> None:
    program = (
        "import sys\nfrom pilots.__main__ import main\nsys.argv = ['pilots', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    print(sorted({'pandas', 'statsmodels', 'evaluation'} & set(sys.modules)))"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed.strip().endswith("[]"), "Ctrl-C while they load would end with a traceback"
    assert all(words in " ".join(printed.split()) for _, words in COMMANDS.values())


def test_wrong_usage_ends_with_2(command: Command) -> None:
    for typed in (
        ["nonsense"],
        ["check"],
        ["show"],
        ["submit", "no-such-file.csv"],
        ["accounts", "add", "x", "--name", "X", "--role", "boss"],
    ):
        assert command(*typed).exit_code == 2


def test_wrong_usage_as_json_is_one_error(command: Command) -> None:
    result = command("check", "--json")
    assert result.exit_code == 2
    assert list(json.loads(result.stdout)) == ["error"]


def test_what_the_user_can_put_right_ends_with_1_and_no_traceback(command: Command) -> None:
    result = command("show", "RUN-0")
    assert result.exit_code == 1 and result.stdout == ""
    assert result.stderr.startswith("There is a problem. There is no run “RUN-0”")
    as_json = command("show", "RUN-0", "--json")
    assert as_json.exit_code == 1
    assert json.loads(as_json.stdout)["error"].startswith("There is no run “RUN-0”")


def test_a_fault_of_ours_comes_through() -> None:
    @click.command("broken")
    def broken() -> None:
        raise ZeroDivisionError

    class WithBroken(Pilots):
        def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
            return broken

    with pytest.raises(ZeroDivisionError):
        CliRunner().invoke(WithBroken(), ["broken"], catch_exceptions=False)


def test_a_store_that_cannot_be_opened_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PILOTS_DATABASE_URL", f"sqlite:///{tmp_path}")  # a folder is no database
    result = CliRunner().invoke(pilots, ["returns"])
    assert result.exit_code == 1
    assert "cannot be opened" in result.stderr


@pytest.mark.parametrize("written", ["North East", "north east", " E12000001 ", "e12000001"])
def test_a_region_is_found_by_code_or_name(written: str) -> None:
    assert region_code(written) == "E12000001"


def test_an_unknown_region_lists_the_nine() -> None:
    with pytest.raises(UserError, match="no region “Wales”.*North East.*South West"):
        region_code("Wales")


def test_accounts_are_added_changed_and_listed(command: Command) -> None:
    assert command("accounts", "add", "ned", "--name", "Ned", "--role", "lead", "--region", "North East").exit_code == 0
    assert command("accounts", "add", "ned", "--name", "Ned", "--role", "lead", "--region", "London", "--closed").exit_code == 0
    listed = json.loads(command("accounts", "list", "--json").stdout)
    assert [(row["subject"], row["role"], row["regions"], row["active"]) for row in listed] == [
        ("ned", "lead", ["E12000007"], False)
    ]


def test_acting_as_somebody_brings_that_accounts_permissions(command: Command) -> None:
    command("accounts", "add", "eva", "--name", "Eva", "--role", "evaluator")
    refused = command("accounts", "list", "--as", "eva", "--json")
    assert refused.exit_code == 1
    assert json.loads(refused.stdout)["error"] == "Eva (evaluator) cannot manage accounts. Ask an administrator to do it."
    unknown = command("accounts", "list", "--as", "nobody")
    assert unknown.exit_code == 1 and "There are: eva" in unknown.stderr


def test_a_plan_that_is_no_text_is_told(command: Command, tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_bytes(b"\xff\xfe\x00plan")
    result = command("plan-register", str(tmp_path / "plan.yaml"))
    assert result.exit_code == 1 and "no text in UTF-8" in result.stderr


def test_shipped_plans_are_listed_and_registered_once(command: Command, tmp_path: Path) -> None:
    shipped = json.loads(command("plans", "--json").stdout)
    assert {plan["plan"] for plan in shipped} >= {"ehcp_timeliness", "new_plans_mainstream"}
    assert not any(plan["registered"] for plan in shipped)
    path = tmp_path / "plan.yaml"
    path.write_text(shipped[0]["text"], encoding="utf-8")
    assert command("plan-register", str(path)).exit_code == 0
    now = json.loads(command("plans", "--json").stdout)
    assert [plan["plan"] for plan in now if plan["registered"]] == [shipped[0]["plan"]]
    assert len(now) == len(shipped)


@pytest.mark.parametrize("pair", ["no equals", "=words", "key=", " = "])
def test_an_explanation_must_have_key_and_text(command: Command, tmp_path: Path, pair: str) -> None:
    (tmp_path / "a.csv").write_text("authority\n", encoding="utf-8")
    about = ["--collection", "ehcp_process", "--region", "London", "--period", "2023/24 autumn"]
    result = command("submit", str(tmp_path / "a.csv"), *about, "--explain", pair)
    assert result.exit_code == 2 and "KEY=TEXT" in result.stderr
