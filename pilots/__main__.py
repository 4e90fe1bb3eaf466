"""The command line: `pilots COMMAND`, or `python -m pilots COMMAND`."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Sequence
from typing import Any

import click

from pilots.commands import COMMANDS, SECTIONS, STOPPED, USER_FAULT
from pilots.errors import UserError


class Pilots(click.Group):
    """The group of all commands. A fault that the user can put right is told without a traceback; any other shows one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the commands, in the order of the sections."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name, imported when it is asked for."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"pilots.commands.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands by section, from their one line, without importing any."""
        for section, commands in SECTIONS.items():
            with formatter.section(section):
                formatter.write_dl([(name, words) for name, (_, words) in commands.items()])

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command and end with its exit code: 1 for what the user can put right, 2 wrong usage, 130 stopped by Ctrl-C."""
        given = list(sys.argv[1:] if args is None else args)
        as_json = "--json" in given
        try:
            code = super().main(
                given, prog_name, complete_var, standalone_mode=False, windows_expand_args=windows_expand_args, **extra
            )
        except click.ClickException as fault:
            code = _told(fault.format_message(), fault.exit_code, as_json, fault)
        except UserError as fault:
            code = _told(str(fault), USER_FAULT, as_json)
        except (click.Abort, KeyboardInterrupt):
            code = _told("Stopped.", STOPPED, as_json)
        sys.exit(code if isinstance(code, int) else 0)


def _told(message: str, code: int, as_json: bool, fault: click.ClickException | None = None) -> int:
    """Tell a fault: as JSON on the output, or as words on the error stream."""
    if as_json:
        click.echo(json.dumps({"error": message}, ensure_ascii=False, indent=2))
    elif fault is not None:
        fault.show()
    else:
        click.echo(message if code == STOPPED else f"There is a problem. {message}", err=True)
    return code


@click.group(cls=Pilots, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="regional-partnership-evidence", prog_name="pilots")
def pilots() -> None:
    """Evidence on what the reforms of the regional expert partnerships do.

    The store is chosen by PILOTS_DATABASE_URL (an SQLAlchemy URL); without it, sqlite:///var/pilots.sqlite.
    """


def main() -> None:
    """Run the command line; the console script `pilots` calls this."""
    pilots(prog_name="pilots")


if __name__ == "__main__":
    main()
