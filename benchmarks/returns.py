"""How long a large return takes to check, beside the same checks written bare in polars and beside other packages.

Each contender runs in a process of its own, turn about: what else the machine does falls on all alike, and memory is its own.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.returns_data import (
    FIRST,
    LAST,
    LONGEST,
    MOST,
    MOST_SCHOOLS,
    MOST_WEEKS,
    PHASES,
    SYMBOLS,
    contract_text,
    large_return,
)
from data_contracts import Context, Limits, check, parse_contract
from data_contracts.personal import ANY
from data_contracts.stages.text import TEXT_RULES

# Row as a spreadsheet shows it, and column. A repeated row is found by its key.
Found = set[tuple[int, str]]
ROWS, EACH, FEWER = 1_000_000, 125, 100_000
WHOLE, DECIMAL, DAY = r"^-?[0-9]{1,15}$", r"^-?[0-9]{1,15}(\.[0-9]{1,20})?$", r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
COUNTS = ("requests", "refused", "issued", "in_time")
TYPES: dict[str, Any] = {"school": pl.Int64, **dict.fromkeys(COUNTS, pl.Int64), "weeks": pl.Float64, "opened": pl.Date}
BOUNDS: dict[str, tuple[Any, Any]] = {"school": (1, MOST_SCHOOLS), **dict.fromkeys(COUNTS, (0, MOST)), "weeks": (0, MOST_WEEKS)}


def ours(path: Path) -> Found:
    """The door of this project."""
    report = check(parse_contract(contract_text()), "large.csv", path.read_bytes(), Context(), Limits(file_bytes=100_000_000))
    table = report.findings.table.filter(pl.col("severity") == "error")
    return set(table.select("row", "column").iter_rows())


def bare_polars(path: Path) -> Found:
    """The same checks written out by hand, in as few passes as polars makes of them."""
    frame = pl.read_csv(path, infer_schema=False, empty_string_is_null=False).with_row_index("row", offset=2)
    text = {name: pl.col(name).str.strip_chars() for name in frame.columns if name != "row"}
    patterns = {name: DAY if kind == pl.Date else DECIMAL if kind == pl.Float64 else WHOLE for name, kind in TYPES.items()}
    symbol = {name: text[name].is_in(SYMBOLS) for name in (*COUNTS, "weeks")}
    kept = {name: pl.when(text[name].str.contains(pattern)).then(text[name]) for name, pattern in patterns.items()}
    typed = {
        name: kept[name].str.to_date("%Y-%m-%d", strict=False) if kind == pl.Date else kept[name].cast(kind, strict=False)
        for name, kind in TYPES.items()
    }
    values = frame.select("row", *text.values(), *(typed[name].alias(f"#{name}") for name in typed))
    held = {name: pl.col(f"#{name}") for name in typed}
    faults = {f"{name} blank": pl.col(name) == "" for name in text if name != "note"}
    faults |= {f"{name} type": held[name].is_null() & (pl.col(name) != "") & ~symbol.get(name, pl.lit(False)) for name in typed}
    faults |= {f"{name} range": ~held[name].is_between(*bounds) for name, bounds in BOUNDS.items()}
    faults["opened range"] = ~held["opened"].is_between(pl.lit(FIRST).str.to_date(), pl.lit(LAST).str.to_date())
    faults["phase list"] = ~pl.col("phase").is_in(PHASES)
    faults["refused part"] = held["refused"] > held["requests"]
    faults["in_time part"] = held["in_time"] > held["issued"]
    faults["note long"] = pl.col("note").str.len_chars() > LONGEST
    faults |= {f"note {rule}": pl.col("note").str.contains(pattern) for rule, pattern in TEXT_RULES}
    faults["note personal"] = pl.col("note").str.contains(ANY)
    faults["area twice"] = pl.struct("area", "school").is_duplicated() & ~pl.struct("area", "school").is_first_distinct()
    masks = values.select("row", *(fault.fill_null(False).alias(name) for name, fault in faults.items()))
    found: Found = set()
    for name in faults:
        column = name.partition(" ")[0]
        found |= {(row, column) for row in masks.filter(pl.col(name))["row"].to_list()}
    return found


def _about(column: str | None, check: str) -> str:
    """The column of a case of pandera: checks of the whole frame have none, and are told by their name."""
    if check.endswith(" part"):
        return check.removesuffix(" part")
    return "area" if "uniqueness" in check else str(column)


def pandera_polars(path: Path) -> Found:
    """pandera on polars: text read as text, each column's pattern and range as checks, all faults at once."""
    pandera = import_module("pandera.polars")
    frame = pl.read_csv(path, infer_schema=False, empty_string_is_null=False).with_row_index("row", offset=2)

    def either(pattern: str, symbols: bool) -> str:
        return f"{pattern}|^[{''.join(SYMBOLS)}]$" if symbols else pattern

    def within(read: Callable[[pl.Expr], pl.Expr], least: Any, most: Any) -> Any:
        return pandera.Check(lambda data: data.lazyframe.select(read(pl.col(data.key)).is_between(least, most).fill_null(True)))

    def day(text: pl.Expr) -> pl.Expr:
        return text.str.to_date("%Y-%m-%d", strict=False)

    def figure(text: pl.Expr) -> pl.Expr:
        return text.cast(pl.Float64, strict=False)

    columns = {
        "area": pandera.Column(str, pandera.Check.str_length(1, 12)),
        "phase": pandera.Column(str, pandera.Check.isin(PHASES)),
        "opened": pandera.Column(
            str, [pandera.Check.str_matches(DAY), within(day, pl.lit(FIRST).str.to_date(), pl.lit(LAST).str.to_date())]
        ),
        "note": pandera.Column(str, [pandera.Check.str_length(max_value=LONGEST), pandera.Check.str_matches(r"^[^=+@-]|^$")]),
    }
    for name, bounds in BOUNDS.items():
        pattern = either(DECIMAL if name == "weeks" else WHOLE, name != "school")
        columns[name] = pandera.Column(str, [pandera.Check.str_matches(pattern), within(figure, *bounds)])

    def part(part_of: str, whole: str) -> Any:
        number = [pl.col(name).cast(pl.Int64, strict=False) for name in (part_of, whole)]
        return pandera.Check(lambda data: data.lazyframe.select((number[0] <= number[1]).fill_null(True)), name=f"{part_of} part")

    schema = pandera.DataFrameSchema(
        columns, checks=[part("refused", "requests"), part("in_time", "issued")], unique=["area", "school"]
    )
    try:
        schema.validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as error:
        cases = error.failure_cases.select("index", "column", "check").drop_nulls("index")
        return {(int(row) + 2, _about(column, check)) for row, column, check in cases.unique().iter_rows()}
    return set()


def frictionless(path: Path) -> Found:
    """frictionless, with a Table Schema of the same constraints."""
    package = import_module("frictionless")
    # A symbol is a missing value to it, and so the columns that may have one cannot be required.
    count = {"type": "integer", "constraints": {"minimum": 0, "maximum": MOST}}
    fields = [
        {"name": "area", "type": "string", "constraints": {"required": True, "maxLength": 12}},
        {"name": "school", "type": "integer", "constraints": {"required": True, "minimum": 1, "maximum": MOST_SCHOOLS}},
        {"name": "phase", "type": "string", "constraints": {"required": True, "enum": PHASES}},
        {"name": "opened", "type": "date", "constraints": {"required": True, "minimum": FIRST, "maximum": LAST}},
        *({"name": name, **count} for name in COUNTS),
        {"name": "weeks", "type": "number", "constraints": {"minimum": 0, "maximum": MOST_WEEKS}},
        {"name": "note", "type": "string", "constraints": {"maxLength": LONGEST}},
    ]
    schema = {"fields": fields, "primaryKey": ["area", "school"], "missingValues": ["", *SYMBOLS]}
    resource_ = package.Resource(path=path.name, basepath=str(path.parent), schema=package.Schema.from_descriptor(schema))
    report = resource_.validate(limit_errors=1_000_000)
    rows = report.flatten(["rowNumber", "fieldName"])
    return {(row, column or "area") for row, column in rows if row}


CONTENDERS: dict[str, tuple[Callable[[Path], Found], int]] = {
    "ours": (ours, ROWS),
    "bare polars": (bare_polars, ROWS),
    "pandera on polars": (pandera_polars, ROWS),
    "frictionless": (frictionless, FEWER),
}


def peak_gigabytes() -> float:
    """The most memory that this process held; Linux only (`ru_maxrss` would tell of the process that started this one)."""
    words = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(words["VmHWM"].split()[0]) / 1e6


def one(name: str, folder: Path) -> dict[str, Any]:
    """Run one contender in this process: seconds, peak memory, share of the planted faults found, and what else was said."""
    function, rows = CONTENDERS[name]
    planted = {(row, column) for row, column in json.loads((folder / f"{rows}.json").read_text())}
    begun = time.perf_counter()
    found = function(folder / f"{rows}.csv")
    seconds = time.perf_counter() - begun
    memory = peak_gigabytes()
    return {
        "seconds": seconds,
        "gigabytes": memory,
        "planted": len(planted),
        "found": len(planted & found),
        "more": len(found - planted),
    }


def measured(name: str, folder: Path) -> dict[str, Any]:
    """The same in a process of its own; a contender that is missing or fails is named with its reason."""
    command = [sys.executable, "-m", "benchmarks.returns", "--one", name, "--folder", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"failed": done.stderr.strip().splitlines()[-1][:200]}
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def main() -> None:
    """Make the files, run every contender turn about, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=5, help="rounds (default 5); frictionless runs once")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", choices=list(CONTENDERS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(one(asked.one, asked.folder)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for rows in (ROWS, FEWER):
            content, faults = large_return(rows, EACH)
            (folder / f"{rows}.csv").write_bytes(content)
            (folder / f"{rows}.json").write_text(json.dumps([(fault.row, fault.column) for fault in faults]))
        runs: dict[str, list[dict[str, Any]]] = {contender: [] for contender in CONTENDERS}
        for turn in range(asked.repeat):
            for contender in CONTENDERS:
                if not (turn and contender == "frictionless") and not any("failed" in run for run in runs[contender]):
                    runs[contender].append(measured(contender, folder))
    print(json.dumps(runs, indent=2) if asked.json else table(runs))


def table(runs: dict[str, list[dict[str, Any]]]) -> str:
    """The runs as a table."""
    lines = [f"Python {platform.python_version()}, polars {pl.__version__}, {pl.thread_pool_size()} threads", ""]
    lines += [
        "| Who | Rows | s: minimum / median | ÷ bare polars | Peak GB | Planted faults found | Said besides |",
        "|---|---|---|---|---|---|---|",
    ]
    bare = [run["seconds"] for run in runs["bare polars"] if "seconds" in run]
    for name, done in runs.items():
        rows = CONTENDERS[name][1]
        if not done or "failed" in done[0]:
            lines.append(f"| {name} | {rows:,} | not run: {done[0]['failed'] if done else ''} |  |  |  |  |")
            continue
        seconds, last = [run["seconds"] for run in done], done[-1]
        ratio = (
            f"{min(seconds) / min(bare):.2f} / {statistics.median(seconds) / statistics.median(bare):.2f}"
            if bare and rows == ROWS
            else ""
        )
        memory = max(run["gigabytes"] for run in done)
        lines.append(
            f"| {name} | {rows:,} | {min(seconds):.2f} / {statistics.median(seconds):.2f} | {ratio} | {memory:.2f} "
            f"| {last['found']:,} of {last['planted']:,} | {last['more']:,} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
