"""The README's example is what the commands print, word for word."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from pilots.__main__ import pilots

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".." / "shared" / "data" / "ees_zips"


@pytest.mark.skipif(not FOLDER.exists(), reason="the published figures (../shared/data/ees_zips) are not beside the project")
def test_the_example_is_what_the_commands_print(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PILOTS_DATABASE_URL", f"sqlite:///{tmp_path / 'readme.sqlite'}")
    monkeypatch.setenv("COLUMNS", "110")
    example = re.search(r"```console\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    assert example is not None
    steps = re.findall(r"\$ pilots (.*)\n((?:(?!\$ ).*\n)+)", example[1])
    assert [typed.split()[0] for typed, _ in steps] == ["import-ees", "evaluate"]
    for typed, shown in steps:
        words = [str(FOLDER / word) if word.endswith(".zip") else word for word in typed.split()]
        result = CliRunner().invoke(pilots, words, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        printed = result.stdout
        for line in shown.splitlines():
            assert line in ("[…]", "") or line in printed, line
