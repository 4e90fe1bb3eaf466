"""The command that makes cells of case-level rows, where these lie."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from pilots.casefiles import CellsReport, make_cells, make_cells_of_table, recipe_from
from pilots.casereturns import Asked, make_return
from pilots.commands import USER_FAULT
from pilots.commands.cases import account_text
from pilots.commands.shared import Session, new_file, region_code, task_command
from pilots.commands.text import wrapped
from pilots.errors import FileIsThere, UserError

NEW_FILE = click.Path(dir_okay=False, path_type=Path)


@task_command("cells")
@click.argument("source")
@click.argument("output", required=False, type=NEW_FILE)
@click.option("--unit", help="Column of the unit, such as authority or school.")
@click.option(
    "--period", required=True, help="Column of the period, such as term; with --collection the term, such as “2024/25 autumn”."
)
@click.option("--by", "strata", multiple=True, help="Column that splits cells further; may be given again.")
@click.option("--outcome", "outcomes", multiple=True, help="Numeric column; may be given again.")
@click.option("--covariate", "covariates", multiple=True, help="Numeric column that differs between rows; may be given again.")
@click.option("--weight", help="Numeric column of row weights.")
@click.option(
    "--engine",
    type=click.Choice(["duckdb", "polars", "spark"]),
    help="Without it duckdb; for the return of a case file of up to 100 MB polars.",
)
@click.option(
    "--setting", "settings", multiple=True, metavar="NAME=VALUE", help="Setting of the engine, such as memory_limit=2GB."
)
@click.option("--table", help="SOURCE is the address of a database, and this is its table.")
@click.option("--collection", help="Make this return of cases, such as ehcp_process, in place of cells.")
@click.option("--region", help="Region of the return, by code or name.")
@click.option("--out", type=NEW_FILE, help="The same as OUTPUT.")
@click.option(
    "--figure", "figures", multiple=True, metavar="AUTHORITY:COLUMN=NUMBER", help="A figure of the return that no case tells."
)
@click.option("--no-cases", multiple=True, metavar="AUTHORITY", help="This authority had no case: its figures are 0, not x.")
def cells(
    session: Session,
    source: str,
    output: Path | None,
    out: Path | None,
    collection: str | None,
    region: str | None,
    figures: tuple[str, ...],
    no_cases: tuple[str, ...],
    **asked: Any,
) -> None:
    """Add the rows of SOURCE up to cells, or make a region's return of them, and write these to OUTPUT.

    SOURCE is a Parquet or CSV file, a folder of them, or with --table the address of a database. Rows stay where they are; a
    source with identifiers of persons is refused. Cells go to a new .parquet or .csv file: one that is there is left as it is. A
    run that was interrupted goes on where it stopped.

    With --collection, --region and --period, SOURCE is a case file as “pilots guide --cases COLLECTION” has it (XLSX too), and
    OUTPUT is the return as CSV, ready to be checked and submitted. Nothing of the cases is kept.
    """
    target = output or out
    if target is None or (output and out):
        raise click.UsageError("Name one file to write: OUTPUT or --out FILE.")
    if collection is None:
        if region or figures or no_cases:
            raise click.UsageError("--region, --figure and --no-cases go with --collection.")
        _cells(session, source, target, **asked)
    else:
        others = [name for name in ("unit", "strata", "outcomes", "covariates", "weight", "table") if asked[name]]
        if region is None or others:
            raise click.UsageError("With --collection give --region and --period; columns of cells come from the case form.")
        what = Asked(collection, region_code(region), asked["period"], _figures(figures), no_cases)
        _return(session, Path(source), target, what, asked["engine"], _settings(asked["settings"]))


def _cells(
    session: Session,
    source: str,
    output: Path,
    unit: str | None,
    period: str,
    strata: tuple[str, ...],
    outcomes: tuple[str, ...],
    covariates: tuple[str, ...],
    weight: str | None,
    engine: str | None,
    settings: tuple[str, ...],
    table: str | None,
) -> None:
    if unit is None or not outcomes:
        raise click.UsageError("Cells need --unit and at least one --outcome. To make a return of cases, give --collection.")
    recipe = recipe_from(unit, period, outcomes, covariates, weight, strata)
    if table is not None:
        report = make_cells_of_table(session.actor, source, table, output, recipe)
    else:
        try:
            with session.progress("Making cells") as tell:
                report = make_cells(session.actor, Path(source), output, recipe, engine or "duckdb", _settings(settings), tell)
        except KeyboardInterrupt:
            session.remark("What was done is kept beside the output. Run the same command again to go on.")
            raise
    session.tell(report.to_dict(), _text(report))


def _return(session: Session, source: Path, output: Path, asked: Asked, engine: str | None, settings: dict[str, str]) -> None:
    if output.exists():
        raise FileIsThere(output)
    with session.progress("Making the return") as tell:
        made = make_return(session.actor, source, asked, engine, settings, tell)
    new_file(output, made.content)
    account = replace(made.account, output=str(output))
    session.tell(account.to_dict(), account_text(account))
    if not account.ready:
        raise click.exceptions.Exit(USER_FAULT)


def _figures(given: tuple[str, ...]) -> dict[tuple[str, str], str]:
    found = {}
    for text in given:
        place, _, number = text.partition("=")
        code, _, column = place.partition(":")
        if not column or not number.strip().isdigit():
            raise UserError(f"“{text}” is no figure. Write it as AUTHORITY:COLUMN=NUMBER, such as E06000001:schools_in_area=46.")
        found[(code.strip(), column.strip())] = number.strip()
    return found


def _settings(given: tuple[str, ...]) -> dict[str, str]:
    pairs = [one.partition("=") for one in given]
    for name, equals, _ in pairs:
        if not equals or not name:
            raise UserError(f"“{name}” is no setting. Write it as NAME=VALUE, such as memory_limit=2GB.")
    return {name: value for name, _, value in pairs}


def _text(report: CellsReport) -> str:
    lines = [f"{report.rows:,} rows went to {report.cells:,} cells in {report.output}."]
    if report.reused:
        lines.append(f"{report.reused} of {report.files} files were done already.")
    for one in report.outcomes:
        gone = [
            f"{one[key]:,} without {words}"
            for key, words in (("without_outcome", "it"), ("without_covariate_or_weight", "a covariate or the weight"))
            if one[key]
        ]
        lines.append(f"{one['outcome']}: {one['used']:,} rows used{'; left out: ' + ', '.join(gone) if gone else ''}.")
    if report.small:
        lines.append(
            f"{report.small:,} cells have one to four rows. Larger units or fewer strata make them larger; check before sharing."
        )
    return "\n".join([*map(wrapped, lines), f"SHA-256 {report.sha256}"])
