"""The import of the Local Authority Interactive Tool's long table, as a further publication beside the releases of EES."""

import pandas as pd
import polars as pl

from pilots.access import Actor
from pilots.catalogue import aliases
from pilots.published.cells import SPREADSHEET_NUMBER
from pilots.published.figures import figures
from pilots.published.files import NotReadable
from pilots.published.importing import Progress, Received, import_ees, receive, store_figures, tell_codes
from pilots.published.lait_mapping import map_table
from pilots.published.lait_table import PUBLICATION, is_long_table, read_long_table
from pilots.published.reconciled import tell_account
from pilots.published.remarks import Remarks
from pilots.published.report import ImportReport
from pilots.storage import Store

# The tool is refreshed all the time and has no editions: of two files, the one that came later restates the other.
EDITION = "undated"


def import_lait(store: Store, actor: Actor, filename: str, content: bytes, progress: Progress | None = None) -> ImportReport:
    """Take in the long table of the Local Authority Interactive Tool: one row a measure, year and authority, CSV or Parquet.

    Nothing of a file that is refused is kept but its name, size and digest. Nothing that is stored is ever overwritten: a later
    file makes a further vintage, and what it changes is told. Rates are kept as published, unrounded; `-` stays a symbol and is
    never 0.

    Args:
        store: where to.
        actor: who imports.
        filename: the name it came with.
        content: its bytes.
        progress: is told the share done (0 to 1) and what is being done.

    Returns:
        The report; where these very bytes are there already, that of their vintage, with `repeated` set.

    Raises:
        NotAllowed: the actor may not import published series.
        NotReadable: it cannot be taken in; the message says why and what to do.
    """
    came = receive(store, actor, filename, content, progress)
    return came if isinstance(came, ImportReport) else _taken(came, content)


def import_published(store: Store, actor: Actor, filename: str, content: bytes, progress: Progress | None = None) -> ImportReport:
    """Take in a published file of either kind, told apart by what stands in it: see `import_ees` and `import_lait`.

    Raises:
        NotAllowed: the actor may not import published series.
        NotReadable: it cannot be taken in; the message says why and what to do.
    """
    task = import_lait if is_long_table(content) else import_ees
    return task(store, actor, filename, content, progress)


def _taken(came: Received, content: bytes) -> ImportReport:
    """The figures of a file that came, stored with it under one vintage."""
    remarks = Remarks()
    values = read_lait(came.name, content, remarks, came.tell)
    return store_figures(came, aliases(PUBLICATION), EDITION, values, remarks)


def read_lait(name: str, content: bytes, remarks: Remarks, tell: Progress) -> pd.DataFrame:
    """The figures of the tool's long table; nothing is stored.

    Args:
        name: of the file.
        content: its bytes.
        remarks: gets what could not be used, and the account of every cell.
        tell: is told the share done and what is being done.

    Raises:
        NotReadable: it gives no figure, or cannot be read.
    """
    publication = aliases(PUBLICATION)
    tell(0.05, f"Reading {name}")
    table = read_long_table(name, content)
    tell(0.35, f"Looking for figures in {len(table.rows):,} rows")
    cells, codes, account = map_table(name, table, publication, remarks)
    tell(0.55, "Reading the figures")
    values = figures(cells, remarks, SPREADSHEET_NUMBER)
    tell_codes([codes], remarks)
    # The value column is one; the groups of measures are parts of the one file.
    one_file = {"file": name, "column": "text"}
    tell_account(
        account, cells.with_columns(**{key: pl.lit(text) for key, text in one_file.items()}), values.assign(**one_file), remarks
    )
    if cells.is_empty():
        unknown = ", ".join(entry["measure"] for entry in remarks.sections["unknown_measures"][:5])
        known = f" Measures that are not known: {unknown}." if unknown else ""
        raise NotReadable(
            f"{name} gives no figure for a local authority, so nothing was stored.{known} Export measures on absence, "
            "exclusions, special educational needs or children in need, for local authorities.",
            remarks.sections,
        )
    counts = values["file"].value_counts()
    for entry in remarks.sections["files"]:
        entry["values"] = int(counts.get(entry["read_as"], 0))
    if (values["symbol"] == "-").any():
        remarks.notes.append("“-” is suppressed, not applicable or not published: the tool does not say which. It is never 0.")
    remarks.notes[:0] = table.notes
    return values
