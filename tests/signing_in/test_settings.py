"""The settings of sign-in are whole, or `pilots serve` does not start and says what is missing."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from pilots.__main__ import pilots
from pilots.sign_in import FILE_VARIABLE, SignInError, sign_in_settings, variable

WHOLE = {
    "metadata_url": "https://id.example.org/.well-known/openid-configuration",
    "client_id": "evidence",
    "client_secret": "s3cret",
    "redirect_url": "https://evidence.example.org/oauth2callback",
    "cookie_secret": "0123456789abcdef" * 2,
}


def environment(values: dict[str, str]) -> dict[str, str]:
    return {variable(name): value for name, value in values.items()}


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., Path]:
    def made(text: str, mode: int = 0o600) -> Path:
        path = tmp_path / "sign-in.toml"
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
        return path

    return made


def test_environment_and_file_say_the_same_and_the_environment_goes_first(file: Callable[..., Path]) -> None:
    whole = sign_in_settings(environment(WHOLE))
    assert whole is not None and (whole.host, whole.encrypted) == ("evidence.example.org", True)
    assert "s3cret" not in repr(whole) and WHOLE["cookie_secret"] not in repr(whole)
    path = file("".join(f"{name} = {json.dumps(value)}\n" for name, value in WHOLE.items()))
    assert sign_in_settings({FILE_VARIABLE: str(path)}) == whole
    other = sign_in_settings({FILE_VARIABLE: str(path), variable("client_id"): "another"})
    assert other is not None and other.client_id == "another"
    assert sign_in_settings({}) is None


@pytest.mark.parametrize("missing", WHOLE)
def test_half_a_configuration_is_refused_by_name(missing: str) -> None:
    with pytest.raises(SignInError, match=f"Missing: {variable(missing)} "):
        sign_in_settings(environment({name: value for name, value in WHOLE.items() if name != missing}))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"metadata_url": "http://id.example.org/x"}, "must begin with https"),
        ({"redirect_url": "http://evidence.example.org/oauth2callback"}, "must begin with https"),
        ({"redirect_url": "https://evidence.example.org/"}, "followed by /oauth2callback"),
        ({"cookie_secret": "short"}, "at least 32 random characters"),
    ],
)
def test_what_cannot_be_right_is_refused(wrong: dict[str, str], words: str) -> None:
    with pytest.raises(SignInError, match=words):
        sign_in_settings(environment({**WHOLE, **wrong}))


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        ("", 0o600, "set up by half"),
        ("client_id = ", 0o600, "cannot be read"),
        ('colour = "blue"', 0o600, "“colour”, which is no setting"),
        ("client_id = 7", 0o600, "or no text"),
        ('client_id = "evidence"', 0o640, "chmod 600"),
    ],
)
def test_a_file_that_cannot_be_used_is_told(file: Callable[..., Path], text: str, mode: int, words: str) -> None:
    with pytest.raises(SignInError, match=words):
        sign_in_settings({FILE_VARIABLE: str(file(text, mode))})
    with pytest.raises(SignInError, match="cannot be read"):
        sign_in_settings({FILE_VARIABLE: "no-such-file.toml"})


def test_the_server_does_not_start_with_half_of_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PILOTS_DATABASE_URL", f"sqlite:///{tmp_path / 'own.sqlite'}")
    monkeypatch.setenv(variable("client_id"), "evidence")
    result = CliRunner().invoke(pilots, ["serve", "--json"])
    assert result.exit_code == 1 and variable("client_secret") in json.loads(result.stdout)["error"]
    monkeypatch.delenv(variable("client_id"))
    result = CliRunner().invoke(pilots, ["serve", "--json", "--address", "0.0.0.0"])
    assert result.exit_code == 1 and "Without sign-in the server listens on 127.0.0.1 only" in json.loads(result.stdout)["error"]
    assert not (tmp_path / "own.sqlite").exists()
