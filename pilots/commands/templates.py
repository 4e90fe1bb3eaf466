"""Commands for what a return must look like: the field guide, and templates to fill in."""

from __future__ import annotations

from pathlib import Path

import click
import pandas

from data_contracts.guide import Guide
from pilots import templates as tasks
from pilots.collections import REGISTER
from pilots.commands.shared import Session, new_file, region_code, task_command
from pilots.commands.text import table, wrapped

GUIDE_COLUMNS = {"column": "Column", "description": "What to enter", "unit": "Unit", "required": "Required", "allowed": "Allowed"}
RULE_COLUMNS = {"rule": "Check", "consequence": "If not so", "message": "What is said"}


def guide_text(words: Guide) -> str:
    """The field guide for a terminal."""
    lines = [f"{words.title} ({words.contract} {words.version})", ""]
    lines += [wrapped(f"{label}: {text}") for label, text in words.facts]
    lines += ["", table(pandas.DataFrame(list(words.columns))[list(GUIDE_COLUMNS)].rename(columns=GUIDE_COLUMNS))]
    lines += (
        [wrapped("Symbols: " + ", ".join(f"{mark} ({text})" for mark, text in words.symbols.items()))] if words.symbols else []
    )
    if words.rules:
        lines += ["", table(pandas.DataFrame(list(words.rules))[list(RULE_COLUMNS)].rename(columns=RULE_COLUMNS))]
    return "\n".join(lines)


@task_command("guide")
@click.argument("collection")
@click.option("--cases", is_flag=True, help="Show the case file of which the return is made, in place of the return.")
@click.option("--example", type=click.Path(dir_okay=False, path_type=Path), help="Write the made-up example to this file (CSV).")
def guide(session: Session, collection: str, cases: bool, example: Path | None) -> None:
    """Show the columns and checks of COLLECTION in plain English."""
    words = tasks.field_guide_of_cases(collection) if cases else tasks.field_guide(collection)
    if example is not None:
        new_file(example, (tasks.example_of_cases(collection) if cases else tasks.example(collection)).encode())
    session.tell(words.to_dict(), guide_text(words))


@task_command("template")
@click.argument("collection")
@click.argument("region")
@click.argument("period")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--csv", "as_csv", is_flag=True, help="Write CSV; so does a FILE that ends in .csv.")
def template(session: Session, collection: str, region: str, period: str, file: Path, as_csv: bool) -> None:
    """Write the return of COLLECTION for REGION and PERIOD to FILE, to be filled in.

    Rows that are expected have their keys already: those of the last return, or every authority of the region. For the reform
    register, which is for the whole country, REGION and PERIOD are not looked at: write a hyphen.
    """
    code = "" if collection == REGISTER else region_code(region)
    made = tasks.template(session.store, session.actor, collection, code, period, as_csv or file.suffix.lower() == ".csv")
    new_file(file, made.content)
    facts = {"file": str(file), "collection": collection, "region": code, "period": period, "rows": made.rows}
    keys = f"{made.rows:,} rows have their keys already" if made.rows else "no row has its key yet"
    session.tell(facts, f"{file} is ready to be filled in: {keys}.")
