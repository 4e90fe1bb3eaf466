"""The command that makes cells of case-level rows, where these lie."""

from __future__ import annotations

from pathlib import Path

import click

from pilots.casefiles import CellsReport, make_cells, make_cells_of_table, recipe_from
from pilots.commands.shared import Session, task_command
from pilots.commands.text import wrapped
from pilots.errors import UserError


@task_command("cells")
@click.argument("source")
@click.argument("output", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--unit", required=True, help="Column of the unit, such as authority or school.")
@click.option("--period", required=True, help="Column of the period, such as term.")
@click.option("--by", "strata", multiple=True, help="Column that splits cells further; may be given again.")
@click.option("--outcome", "outcomes", multiple=True, required=True, help="Numeric column; may be given again.")
@click.option("--covariate", "covariates", multiple=True, help="Numeric column that differs between rows; may be given again.")
@click.option("--weight", help="Numeric column of row weights.")
@click.option("--engine", type=click.Choice(["duckdb", "polars", "spark"]), default="duckdb", show_default=True)
@click.option(
    "--setting", "settings", multiple=True, metavar="NAME=VALUE", help="Setting of the engine, such as memory_limit=2GB."
)
@click.option("--table", help="SOURCE is the address of a database, and this is its table.")
def cells(
    session: Session,
    source: str,
    output: Path,
    unit: str,
    period: str,
    strata: tuple[str, ...],
    outcomes: tuple[str, ...],
    covariates: tuple[str, ...],
    weight: str | None,
    engine: str,
    settings: tuple[str, ...],
    table: str | None,
) -> None:
    """Add the rows of SOURCE up to cells and write these to OUTPUT (.parquet or .csv).

    SOURCE is a Parquet or CSV file, a folder of them, or with --table the address of a database. Rows stay where they are; a
    source with identifiers of persons is refused. A run that was interrupted goes on where it stopped.
    """
    recipe = recipe_from(unit, period, outcomes, covariates, weight, strata)
    if table is not None:
        report = make_cells_of_table(session.actor, source, table, output, recipe)
    else:
        try:
            with session.progress("Making cells") as tell:
                report = make_cells(session.actor, Path(source), output, recipe, engine, _settings(settings), tell)
        except KeyboardInterrupt:
            session.remark("What was done is kept beside the output. Run the same command again to go on.")
            raise
    session.tell(report.to_dict(), _text(report))


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
