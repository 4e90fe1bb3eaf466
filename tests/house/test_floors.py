"""The house has three floors and no arrow upwards (README, the house): walk every import and fail on one that breaks a rule."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("evaluation", "data_contracts", "pilots", "pages")
FACES = ("app", "pages", "pilots.__main__", "pilots.commands")
FORBIDDEN = {
    "evaluation": {
        "data_contracts",
        "pilots",
        "pages",
        "app",
        "sqlalchemy",
        "alembic",
        "streamlit",
        "os",
        "time",
        "datetime",
        "random",
    },
    "data_contracts": {"evaluation", "pilots", "pages", "app", "sqlalchemy", "alembic", "streamlit", "time", "random"},
}
# The workbook's own process sets its limits and hands bytes over: the one place below the programme that touches the system.
MAY_TOUCH_SYSTEM = {"data_contracts.reading.worker", "data_contracts.reading.workbook"}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {module_name(path): path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))} | {"app": ROOT / "app.py"}


def imports(name: str) -> list[tuple[str, int, bool]]:
    """Every import of a module: (absolute name, line, whether it stands inside a function)."""
    tree = ast.parse(SOURCES[name].read_text(encoding="utf-8"))
    inside = {id(node) for function in ast.walk(tree) if isinstance(function, ast.FunctionDef) for node in ast.walk(function)}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno, id(node) in inside) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}:{node.lineno}: write the whole name instead of a relative import"
            found += [(node.module or "", node.lineno, id(node) in inside)]
            found += [(f"{node.module}.{alias.name}", node.lineno, id(node) in inside) for alias in node.names]
    return found


def is_face(name: str) -> bool:
    return any(name == face or name.startswith(f"{face}.") for face in FACES)


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_no_arrow_upwards(name: str) -> None:
    room = name.split(".")[0]
    for target, line, late in imports(name):
        top = target.split(".")[0]
        where = f"{name}:{line} imports {target}"
        assert not late or name.startswith("pilots.storage.migrations"), f"{where} inside a function"
        assert top not in FORBIDDEN.get(room, set()), where
        if top in ("sqlalchemy", "alembic"):
            assert name.startswith("pilots.storage"), f"{where}: only pilots/storage speaks to the database"
        if top == "streamlit":
            assert name == "app" or name.startswith("pages"), f"{where}: only screens import Streamlit"
        if top == "altair":
            assert name == "pilots.charts" or name.startswith("pilots.charts."), f"{where}: charts live in one package"
        if room == "pilots" and not is_face(name):
            assert not is_face(target) or target == name, f"{where}: an arrow upwards"
        if room == "data_contracts" and top == "os":
            assert name in MAY_TOUCH_SYSTEM, where
        if is_face(name):
            assert top not in ("numpy", "scipy", "statsmodels", "evaluation"), f"{where}: faces hold no arithmetic"


def test_there_is_no_circle() -> None:
    graph = {name: {_module(target) for target, _, _ in imports(name)} - {None, name} for name in SOURCES}
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, f"a circle of imports: {' -> '.join([*path, name])}"
        if name in done:
            return
        for target in sorted(graph[name]):
            # A module always imports its own package first: that arrow is Python's, not ours.
            if not name.startswith(f"{target}."):
                visit(target, (*path, name))
        done.add(name)

    for name in sorted(graph):
        visit(name, ())


def _module(target: str) -> str | None:
    while target:
        if target in SOURCES:
            return target
        target = target.rpartition(".")[0]
    return None


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_no_file_above_500_lines(name: str) -> None:
    assert len(SOURCES[name].read_text(encoding="utf-8").splitlines()) <= 500


def test_a_forbidden_import_would_be_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fault = tmp_path / "fault.py"
    fault.write_text("import sqlalchemy\n", encoding="utf-8")
    monkeypatch.setitem(SOURCES, "evaluation.fault", fault)
    with pytest.raises(AssertionError, match="evaluation.fault:1 imports sqlalchemy"):
        test_no_arrow_upwards("evaluation.fault")
