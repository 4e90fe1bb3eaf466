"""What touches a store is tested on SQLite and on PostgreSQL: a test that names SQLite alone says here why that is enough."""

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
# By these a test comes to a store of SQLite and none other; `store`, `any_store`, `any_url` and `lasting_url` bring both.
SQLITE = re.compile(r"sqlite:///|\b(?:sqlite_url|demonstration_url|built_demonstration)\b")
BOTH = ("any_url", "any_store", "store", "lasting_url")

SCREENS = "screens and commands hold no SQL: they call the tasks, and tests/access calls every task on both"
SOURCE = "it makes something in SQLite once, which the tests get in PostgreSQL by `fill_from` or a backup"
BESIDE = "other tests of the file run on both; this is a second store beside the one that is tested"
ONE_DATABASE = {
    "access/conftest.py": SOURCE,
    "browser": SCREENS,
    "bundles/conftest.py": SOURCE,
    "bundles/test_published.py": "the store is gone before it begins; figures of both: runs/test_published_figures.py",
    "cells/test_case_returns.py": "case files do not touch the store; what is submitted in the end is an ordinary return",
    "cells/test_command.py": "a database of cases is read, not the store",
    "cells/test_sql.py": "a database of cases is read, not the store",
    "demonstration/conftest.py": "the build is a minute of estimates; demonstration/test_restored.py has all of it in PostgreSQL",
    "demonstration/test_restored.py": SOURCE,
    "faces": SCREENS,
    "published/test_accounts.py": BESIDE,
    "published/test_all_files.py": "every file of all releases; some come into both: published/test_real_releases.py",
    "published/test_lait.py": BESIDE,
    "returns/test_identifiers.py": BESIDE,
    "returns/test_releases.py": BESIDE,
    "runs/conftest.py": SOURCE,
    "runs/test_fanout.py": "workers know no store; what is killed is killed on both, but for the demonstration",
    "runs/test_readme.py": "the commands that a reader types on a laptop; the same figures on both: test_published_figures.py",
    "runs/test_restored.py": SOURCE,
    "signing_in/test_settings.py": "no store is opened: that is what it tests",
    "storage/test_backups.py": BESIDE,
    "storage/test_store.py": "what only SQLite has (a file in a folder); all else in it runs on both",
}


def named(path: Path) -> str:
    """As the exceptions name it: those of screens are excepted by the folder."""
    name = path.relative_to(TESTS).as_posix()
    return name.split("/")[0] if name.split("/")[0] in ONE_DATABASE else name


def on_sqlite_alone(path: Path) -> bool:
    return path not in (TESTS / "conftest.py", Path(__file__)) and bool(SQLITE.search(path.read_text(encoding="utf-8")))


def test_whoever_names_sqlite_alone_says_why() -> None:
    found = {named(path) for path in TESTS.rglob("*.py") if on_sqlite_alone(path)}
    assert found - set(ONE_DATABASE) == set(), "take `store`, `any_store` or `lasting_url` instead, or say why one is enough"
    assert set(ONE_DATABASE) - found == set(), "these need no exception any more"


def test_a_test_on_sqlite_alone_would_be_found(tmp_path: Path) -> None:
    (tmp_path / "test_new.py").write_text("def test_new(demonstration_url: str) -> None: ...\n", encoding="utf-8")
    assert on_sqlite_alone(tmp_path / "test_new.py")
    (tmp_path / "test_new.py").write_text("def test_new(any_store: Store) -> None: ...\n", encoding="utf-8")
    assert not on_sqlite_alone(tmp_path / "test_new.py")


def fixtures(path: Path) -> dict[str, tuple[str, list[str]]]:
    """What decorates each fixture of a file, and what it is made of, by name."""
    found = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            decorators = " ".join(map(ast.unparse, node.decorator_list))
            if "fixture" in decorators:
                found[node.name] = decorators, [one.arg for one in node.args.args]
    return found


@pytest.mark.parametrize("name", BOTH)
def test_the_stores_that_tests_share_are_of_both_databases(name: str) -> None:
    decorator, _ = fixtures(TESTS / "conftest.py")[name]
    assert "'sqlite'" in decorator and "'postgresql'" in decorator
    for path in set(TESTS.rglob("*.py")) - {TESTS / "conftest.py"}:
        hiding = fixtures(path).get(name)
        assert hiding is None or set(hiding[1]) & set(BOTH), (
            f"{named(path)}: a fixture of this name hides the one of both databases"
        )
