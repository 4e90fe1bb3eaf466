"""Commands that get numbers again: a rerun, and the bundle that carries a run to another machine."""

from __future__ import annotations

from pathlib import Path

import click

from pilots import bundles
from pilots import runs as running
from pilots.commands import USER_FAULT
from pilots.commands.shared import Session, new_file, task_command
from pilots.errors import UserError


@task_command("rerun")
@click.argument("run_or_bundle", metavar="RUN_ID|BUNDLE")
def rerun(session: Session, run_or_bundle: str) -> None:
    """Run RUN_ID again from its release and its plan, and compare the numbers bit for bit.

    Or run a BUNDLE again, the folder or the zip: that opens no store, so it works on a machine that has nothing else.

    The exit code is 1 where something differs.
    """
    place = Path(run_or_bundle)
    with session.progress("Running again") as tell:
        if place.exists():
            carried = bundles.rerun_bundle(session.actor, place, progress=tell)
            plain, text, same = carried.to_dict(), carried.text(), carried.same and carried.intact
        else:
            report = running.rerun(session.store, session.actor, run_or_bundle, progress=tell)
            plain, text, same = report.to_dict(), report.text(), report.same
    session.tell(plain, text)
    if not same:
        raise click.exceptions.Exit(USER_FAULT)


@task_command("bundle")
@click.argument("run_id")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="A new folder, or a file that ends in .zip.")
def bundle(session: Session, run_id: str, out: Path) -> None:
    """Write what RUN_ID was made from, with the same analysis as plain Python, R and Stata scripts.

    Small counts in a bundle are not suppressed: it is for evaluators, researchers and administrators. Do not pass it on.
    """
    if out.exists() and not (out.is_dir() and out.suffix != ".zip" and not any(out.iterdir())):
        raise UserError(f"{out} is there already, and nothing was written. Name a new folder, or a new file that ends in .zip.")
    made = bundles.make_bundle(session.store, session.actor, run_id)
    if out.suffix == ".zip":
        new_file(out, made.zipped())
    else:
        made.write(out)
    session.tell({**made.to_dict(), "written_to": str(out)}, f"{run_id}: {len(made.files)} files are written to {out}.")
