"""How people on other machines sign in: what the operator says of the identity provider, by environment or in a file.

Nothing of it is stored: it stands in no table, no backup and no log.
"""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from pilots.errors import UserError

FILE_VARIABLE = "PILOTS_SIGN_IN_FILE"
# The key of the link that `pilots serve` prints, for its own server process: it opens the development sign-in.
LOCAL_KEY_VARIABLE = "PILOTS_LOCAL_KEY"
# The names in the file; in the environment each is PILOTS_SIGN_IN_ and the name in capitals.
NAMES = {
    "metadata_url": "the provider's address that ends with /.well-known/openid-configuration",
    "client_id": "the name under which the provider knows this service",
    "client_secret": "the secret that the provider gave to this service",
    "redirect_url": "this service's own address followed by /oauth2callback, as the provider knows it",
    "cookie_secret": "at least 32 random characters, the same on every server",
}
CALLBACK = "/oauth2callback"
SHORTEST_SECRET = 32
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class SignInError(UserError):
    """Settings of sign-in that are not whole or cannot be right; the message says which and what to write."""


@dataclass(frozen=True)
class SignIn:
    """The settings of sign-in, whole and looked through. Secrets are not shown where this is printed.

    Attributes:
        metadata_url: where the provider describes itself.
        client_id: the name under which the provider knows this service.
        client_secret: what proves to the provider that it is this service.
        redirect_url: where the provider sends people back to.
        cookie_secret: what this service signs its cookies with.
    """

    metadata_url: str
    client_id: str
    client_secret: str = field(repr=False)
    redirect_url: str
    cookie_secret: str = field(repr=False)

    @property
    def encrypted(self) -> bool:
        """Whether browsers reach the service by TLS, so that its cookies travel by nothing else."""
        return urlsplit(self.redirect_url).scheme == "https"

    @property
    def address(self) -> str:
        """Where browsers open the service."""
        return self.redirect_url.removesuffix(CALLBACK)

    @property
    def host(self) -> str:
        """The host that browsers name."""
        return urlsplit(self.redirect_url).hostname or ""


def variable(name: str) -> str:
    """The environment's name of a setting."""
    return f"PILOTS_SIGN_IN_{name.upper()}"


def sign_in_settings(environment: Mapping[str, str] = os.environ) -> SignIn | None:
    """The settings of sign-in; what stands in the environment goes before what stands in the file that it names.

    Returns:
        None where nothing is set: then there is only the development sign-in.

    Raises:
        SignInError: half of it is set, the file cannot be used, or a value cannot be right.
    """
    named = environment.get(FILE_VARIABLE)
    given = {**(_of_file(Path(named)) if named else {}), **_of_environment(environment)}
    if not given and not named:
        return None
    missing = [f"{variable(name)} ({words})" for name, words in NAMES.items() if not given.get(name)]
    if missing:
        raise SignInError(
            f"Sign-in is set up by half. Missing: {'; '.join(missing)}. "
            f"Set them in the environment, or name a file that has them in {FILE_VARIABLE}."
        )
    made = SignIn(**given)
    _check(made)
    return made


def _of_environment(environment: Mapping[str, str]) -> dict[str, str]:
    held = {name: environment.get(variable(name), "").strip() for name in NAMES}
    return {name: value for name, value in held.items() if value}


def _of_file(path: Path) -> dict[str, str]:
    try:
        open_to = stat.S_IMODE(path.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO)
        held = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SignInError(f"{path}, which {FILE_VARIABLE} names, cannot be read: {error.strerror}.") from error
    except ValueError as error:  # of TOML, or of UTF-8
        raise SignInError(f'{path} cannot be read: {error}. Write lines such as client_id = "evidence".') from error
    if open_to and os.name == "posix":
        raise SignInError(f"{path} holds secrets and others on this machine may open it. Close it to them: chmod 600 {path}")
    strange = [name for name, value in held.items() if name not in NAMES or not isinstance(value, str)]
    if strange:
        raise SignInError(f"{path} has “{strange[0]}”, which is no setting, or no text. The settings are: {', '.join(NAMES)}.")
    return {name: value.strip() for name, value in held.items()}


def _check(made: SignIn) -> None:
    for name in ("metadata_url", "redirect_url"):
        parts = urlsplit(getattr(made, name))
        safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
        if not safe or not parts.hostname:
            raise SignInError(
                f"{variable(name)} must begin with https://. Only an address of this machine itself, for a trial, may have http://."
            )
    if urlsplit(made.redirect_url).path != CALLBACK:
        raise SignInError(
            f"{variable('redirect_url')} must be this service's address followed by {CALLBACK}, such as "
            f"https://evidence.example.org{CALLBACK}."
        )
    if len(made.cookie_secret) < SHORTEST_SECRET:
        raise SignInError(
            f"{variable('cookie_secret')} needs at least {SHORTEST_SECRET} random characters. Make one with: openssl rand -hex 32"
        )
