"""What every command shares: the store, who acts, `--json`, progress, and how faults are told."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from data_contracts.reading import Limits
from pilots.access import LOCAL_ADMINISTRATOR, Actor
from pilots.accounts import development_sign_in
from pilots.commands import COMMANDS
from pilots.commands.text import plain_json
from pilots.errors import FileIsThere, NotWritable, UserError
from pilots.periods import CALENDAR, containing
from pilots.places import TODAYS_CODES, code_for_name, region_names, resolve
from pilots.places import names as authority_names
from pilots.storage import Store

Tell = Callable[[float, str], None]
NO_PROGRESS_FOR = 1.0  # seconds of work for which no bar is shown


class Session:
    """One call of a command: its store, its actor, and how it speaks.

    Args:
        as_json: print JSON and nothing else.
        subject: the development account to act as; without it, whoever runs Python on the store's machine.
    """

    def __init__(self, as_json: bool, subject: str | None) -> None:
        self.as_json = as_json
        self.subject = subject

    @cached_property
    def store(self) -> Store:
        """The store, opened when first asked for and closed with the command."""
        opened = Store.open()
        click.get_current_context().call_on_close(opened.close)
        return opened

    @cached_property
    def actor(self) -> Actor:
        """Who acts.

        Raises:
            UserError: there is no development account of that subject.
        """
        return LOCAL_ADMINISTRATOR if self.subject is None else self._account(self.subject)

    def _account(self, subject: str) -> Actor:
        known = {actor.subject: actor for actor in development_sign_in(self.store)}
        if subject not in known:
            have = ", ".join(sorted(known)) or "none yet (add one with: pilots accounts add)"
            raise UserError(f"There is no development account “{subject}”. There are: {have}.")
        return known[subject]

    def tell(self, plain: Any, text: str) -> None:
        """Print the answer: `plain` as JSON, or `text` for people."""
        click.echo(plain_json(plain) if self.as_json else text)

    def remark(self, text: str) -> None:
        """Say something beside the answer, on the error stream; nothing where JSON was asked for."""
        if not self.as_json:
            click.echo(text, err=True)

    @contextmanager
    def progress(self, words: str) -> Iterator[Tell]:
        """A bar on the error stream for work that takes over a second, where somebody watches."""
        watched = sys.stderr.isatty() and not self.as_json
        layout = "{desc}: {percentage:3.0f}% |{bar}| {elapsed}, about {remaining} left"
        with tqdm(
            total=1.0, desc=words, delay=NO_PROGRESS_FOR, disable=not watched, leave=False, file=sys.stderr, bar_format=layout
        ) as bar:

            def tell(share: float, what: str = "") -> None:
                if what:
                    bar.set_description(what, refresh=False)
                bar.update(max(share - bar.n, 0.0))

            yield tell


def task_command(name: str) -> Callable[[Callable[..., None]], click.Command]:
    """Make a click command of a function that takes a `Session` first; it has `--json` and `--as` like every command.

    Args:
        name: as it stands in `COMMANDS`, which has its one line of help; or `accounts list` for one of a group.
    """

    def decorate(function: Callable[..., None]) -> click.Command:
        @functools.wraps(function)
        def run(as_json: bool, acting_as: str | None, **options: Any) -> None:
            function(Session(as_json, acting_as), **options)

        with_options = click.option("--json", "as_json", is_flag=True, help="Print plain JSON and nothing else.")(
            click.option("--as", "acting_as", metavar="SUBJECT", help="Act as this development account.")(run)
        )
        words = COMMANDS[name][1] if name in COMMANDS else None
        return click.command(name.split()[-1], short_help=words)(with_options)

    return decorate


file_argument = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))


def about_a_return(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that name a return."""
    for option in (
        click.option("--period", required=True, help="Such as “2023/24 autumn”."),
        click.option("--region", required=True, help="Code or name, such as E12000001 or “North East”."),
        click.option("--collection", required=True, help="What is asked for, such as ehcp_process."),
    ):
        function = option(function)
    return function


def content_of(path: Path) -> bytes:
    """The bytes of a file; of one that is too large, no more than it takes for the check to say so."""
    with path.open("rb") as handle:
        return handle.read(Limits().file_bytes + 1)


def new_file(path: Path, content: bytes) -> None:
    """Write a file that is not there yet: one that somebody has filled in is never written over.

    Raises:
        UserError: it is there, or cannot be written.
    """
    try:
        with path.open("xb") as handle:
            handle.write(content)
    except FileExistsError:
        raise FileIsThere(path) from None
    except OSError as error:
        raise NotWritable(path, error) from error


def region_code(text: str) -> str:
    """The code of a region given by code or by name, however it is spelt.

    Raises:
        UserError: there is no such region.
    """
    names = region_names()
    wanted = text.strip().casefold()
    for code, name in names.items():
        if wanted in (code.casefold(), name.casefold()):
            return code
    known = ", ".join(f"{name} ({code})" for code, name in names.items())
    raise UserError(f"There is no region “{text}”. The regions are: {known}.")


def authority_code(text: str) -> str:
    """The code of today of an authority given by code or by name; an ended code leads to what took over the same area.

    Raises:
        UserError: there is no such authority, or its area was divided.
    """
    code = text.strip() if text.strip() in authority_names() else code_for_name(text)
    found = None if code is None else resolve(code, containing(TODAYS_CODES, CALENDAR))
    if found is None or found.authority is None:
        why = "" if found is None else ": its area was divided"
        raise UserError(f"There is no authority “{text}” today{why}. Give a name, or a code, such as E08000035.")
    return found.authority
