"""Text cells: nothing that runs, hides or tells of a person."""

import polars as pl

from data_contracts.headings import plain
from data_contracts.personal import ANY, NOT_SHOWN, PERSONAL_HEADING, SHORTEST_IDENTIFIER, personal
from data_contracts.reading.table import ROW, RawTable
from data_contracts.state import State

# A spreadsheet runs a text that begins with one of these signs; a dash and a space are taken for a list, unless a call follows.
_RUNS = r"^([=+@\x{FF1D}\x{FF0B}\x{FF20}\x{FF0D}]|-\S|-\s.*[(|!])"
_MARKUP = r"<\s*[a-zA-Z/!?]"
_COMBINING = r"\p{L}\p{M}"
_INVISIBLE = r"\p{M}{3,}|[\x00-\x08\x0b\x0c\x0e-\x1f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufffd]"
_MOJIBAKE = r"Ã[\u0080-\u00bf]|â€|Â[£\u00a0-\u00bf]"
_OTHER_ALPHABET = r"\p{Cyrillic}|\p{Greek}"
_TELLS = {"text.personal_data", "text.personal_heading", "text.personal_comment"}
_OF_ALL = {"text.runs", "text.markup"}
TEXT_RULES = (
    ("text.runs", _RUNS),
    ("text.markup", _MARKUP),
    ("text.invisible", _INVISIBLE),
    ("text.mojibake", _MOJIBAKE),
    ("text.combining", _COMBINING),
    ("text.other_alphabet", _OTHER_ALPHABET),
)


def free_text(state: State) -> None:
    """Length, formulas, markup, invisible characters, wrongly decoded characters, other alphabets."""
    for column in state.contract.columns:
        if column.name not in state.data.columns or not column.free_text:
            continue
        rows = state.data.select(ROW, pl.col(column.name).alias("value")).filter(pl.col("value") != "")
        text = pl.col("value")
        state.add_table(
            "text.too_long", rows.filter(text.str.len_chars() > column.max_length), column.name, most=column.max_length
        )
        # Most texts are plain: the rules about signs beyond ASCII, and control characters, are asked of the others only.
        odd = rows.filter(text.str.contains(r"[^ -~]"))
        for rule, pattern in TEXT_RULES:
            asked = rows if rule in _OF_ALL else odd
            state.add_table(rule, asked.filter(text.str.contains(pattern)), column.name)


def personal_data(state: State) -> None:
    """Identifiers of persons, wherever nothing else would refuse them: a return of totals must tell of no person."""
    for column in state.contract.columns:
        if (column.free_text or column.pattern) and column.name in state.data.columns:
            _look(state, state.data, column.name, column.name, state.positions[column.name], state.sheet)
    for heading, place in zip(state.ignored, state.ignored_positions, strict=True):
        if f"ignored {place}" in state.data.columns:
            _look(state, state.data, f"ignored {place}", heading, place, state.sheet)
    for table in state.tables:
        # What is not read as data is kept with the file all the same: rows above the headings, and other sheets.
        unread = table.cells.filter(pl.col(ROW) < state.header) if table is state.table else table.cells
        for place in range(table.width if unread.height else 0):
            _look(state, unread, str(place), None, place, table.sheet)
    for cell, text in state.comments:
        if word := personal(text):
            state.add("text.personal_comment", cell=cell, word=word, value=NOT_SHOWN, sheet=None)


def tells_of_persons(state: State) -> bool:
    """Whether any cell of the file holds an identifier of a person, or a heading says that its column does.

    Unlike `personal_data` this looks at every cell, whatever else refuses it, and where the check came to no headings too.
    """
    if not state.rules.isdisjoint(_TELLS) or any(personal(text) for _, text in state.comments):
        return True
    if not state.header and any(headed(table) for table in state.tables):
        return True
    return any(map(any_person, state.tables))


def headed(table: RawTable) -> bool:
    """Whether something near the top reads like the heading of a column of identifiers; asked where no headings were found."""
    texts = {text for cells in table.cells.head(30).iter_rows() for text in cells[2:] if 0 < len(text) <= 40}
    return any(PERSONAL_HEADING.search(plain(text)) for text in texts)


def any_person(table: RawTable) -> bool:
    """Whether some cell of a table holds an identifier of a person."""
    return any(_any_person(table.cells[str(place)]) for place in range(table.width))


def _any_person(cells: pl.Series) -> bool:
    texts = cells.filter((cells.str.len_bytes() >= SHORTEST_IDENTIFIER) & cells.str.contains(ANY)).unique()
    return any(personal(text) for text in texts.to_list())


def _look(state: State, cells: pl.DataFrame, name: str, column: str | None, place: int, sheet: str | None) -> None:
    """One finding a cell; the value itself is not repeated."""
    found = (
        cells.select(ROW, name)
        .filter(pl.col(name) != "")
        .filter(pl.col(name).str.contains(ANY))
        .select(ROW, pl.col(name).alias("#entered"))
    )
    if found.is_empty():
        return
    texts = found["#entered"].unique().to_list()
    words = pl.DataFrame({"#entered": texts, "word": [personal(text) for text in texts]})
    rows = found.join(words, on="#entered", maintain_order="left").filter(pl.col("word") != "")
    rows = rows.select(ROW, "word", value=pl.lit(NOT_SHOWN))
    state.add_table("text.personal_data", rows, column, place=place, sheet=sheet)
