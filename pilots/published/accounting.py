"""The account of every cell of a published file: of a vintage as it was imported, or of a file that is only looked at."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from data_contracts.reading import safe_name
from pilots.access import Actor, check_actor_can
from pilots.published.files import NotReadable, check_size
from pilots.published.importing import Progress, read_release
from pilots.published.lait import read_lait
from pilots.published.lait_table import is_long_table
from pilots.published.remarks import Remarks, tables_of
from pilots.published.series import report
from pilots.storage import Store

_SECTIONS = ("files", "reconciled")


@dataclass(frozen=True)
class CellAccount:
    """What became of every cell of a published file, or would become of it.

    Attributes:
        name: reference of the vintage, or name of the file.
        refused: why nothing of the file can be taken in; "" where something can.
        sections: its files with why some are not used, and for each file and kind of cell how many there are and what became of
            them.
    """

    name: str
    refused: str
    sections: dict[str, list[dict[str, Any]]]

    def summary(self) -> str:
        """How many cells there are, how many are stored, and how many are left out."""
        cells = self.sections["reconciled"]
        total, stored = (sum(entry[key] for entry in cells) for key in ("cells", "stored"))
        lost = sum(entry["unaccounted"] for entry in cells)
        files = len({entry["file"] for entry in cells})
        words = (
            f"{self.name}: {total:,} cells in {files} {'file' if files == 1 else 'files'}. {stored:,} are used as figures, "
            f"{total - stored - lost:,} are left out for a reason that is given"
        )
        words += f", {lost:,} are not accounted for." if lost else ". Every cell is accounted for."
        return f"{words} {self.refused}" if self.refused else words

    def tables(self) -> dict[str, pd.DataFrame]:
        """The files and the account, with headings for readers."""
        return tables_of(self.sections)

    def to_dict(self) -> dict[str, Any]:
        """The account as plain JSON."""
        return {"name": self.name, "refused": self.refused, "summary": self.summary(), **self.sections}


def account_of_vintage(store: Store, actor: Actor, reference: str) -> CellAccount:
    """The account of a vintage, as it was when imported.

    Raises:
        NotAllowed: the actor may not read published series.
        UserError: there is no such vintage.
    """
    kept = report(store, actor, reference).sections
    return CellAccount(reference, "", {name: kept[name] for name in _SECTIONS})


def account_of_file(actor: Actor, filename: str, content: bytes, progress: Progress | None = None) -> CellAccount:
    """The account that an import of a file would give; nothing is stored.

    Args:
        actor: who looks.
        filename: the name it came with.
        content: its bytes.
        progress: is told the share done (0 to 1) and what is being done.

    Raises:
        NotAllowed: the actor may not read published series.
        NotReadable: it is no published file that is known, or cannot be read.
    """
    check_actor_can(actor, "read_published")
    name, remarks, refused = safe_name(filename), Remarks(), ""
    check_size(name, content)
    read = read_lait if is_long_table(content) else read_release
    try:
        read(name, content, remarks, progress or (lambda share, words: None))
    except NotReadable as fault:
        if not fault.sections["reconciled"]:
            raise
        refused = str(fault)
    return CellAccount(name, refused, {section: remarks.sections[section] for section in _SECTIONS})
