"""Stage `shape`: which table, which row holds the headings, which column is which, which rows are no data."""

import re
from difflib import get_close_matches

import polars as pl

from data_contracts.contract import Column
from data_contracts.findings import HeaderMatch, shown
from data_contracts.headings import known_headings, plain, withdrawn_headings
from data_contracts.personal import PERSONAL_HEADING
from data_contracts.reading.table import ROW, WIDTH, RawTable, cell_name, column_letters
from data_contracts.sheets import OURS
from data_contracts.state import State

_LOOKED_AT = 30
_TOTALS = re.compile(r"^(sub ?|grand |region(al)? |all )?totals?\b|^(all|england|all authorities)$")
_EXAMPLE = re.compile(
    r"^(example|e\.g\.|for example|sample row|enter\b|fill in\b|please\b|instructions?\b|how to\b|type here|"
    r"(delete|do not (delete|edit|change)) this)"
)
_WORD = r"(?i)\p{L}{3}|e\W?g\W|n\W?b\W"
_FOOTNOTE = re.compile(r"^(source|notes?|footnotes?|n\.b\.|prepared by)\b")


def headings(state: State) -> None:
    """Find the sheet and the row that hold the headings."""
    known = known_headings(state.contract)
    scored = [(*_best_row(table, known), -int(table.hidden), -place) for place, table in enumerate(state.tables)]
    score, row, _, place = max(scored, key=lambda item: (item[0], item[2], item[3]))
    if score < min(2, len(state.contract.columns)):
        sheets = ", ".join(str(table.sheet) for table in state.tables if table.sheet)
        expected = ", ".join(column.name for column in state.contract.columns)
        state.add("shape.no_headings", expected=expected, sheets=f" Sheets looked at: {sheets}." if sheets else "")
        return
    state.table, state.header = state.tables[-place], row
    _say_sheets(state, [item[0] for item in scored])
    first = int(state.table.cells[ROW][0])
    if row > first:
        state.add("shape.title_rows", row=row, above=row - 1)


def _best_row(table: RawTable, known: dict[str, tuple[Column, str]]) -> tuple[int, int]:
    """Score and number of the row with most headings; near misses count only where no row has two that are known."""
    rows = {
        int(cells[0]): {plain(text[:200]) for text in cells[2:] if text} for cells in table.cells.head(_LOOKED_AT).iter_rows()
    }
    scores = {row: len({known[text][0].name for text in texts & known.keys()}) for row, texts in rows.items()}
    if max(scores.values(), default=0) < 2:
        for row, texts in rows.items():
            scores[row] += sum(bool(get_close_matches(text, known, 1, 0.8)) for text in texts - known.keys())
    best = max(scores, key=lambda row: scores[row], default=0)
    return (scores[best], best) if best and scores[best] else (0, 0)


def _say_sheets(state: State, scores: list[int]) -> None:
    table = state.table
    if table is None or table.sheet is None:
        return
    if table.hidden:
        state.add("shape.hidden_sheet", value=table.sheet)
    enough = max(2, len(state.contract.columns) // 2)
    rivals = [str(other.sheet) for other, score in zip(state.tables, scores, strict=True) if score >= enough and not other.hidden]
    if len(rivals) > 1:
        state.add("shape.several_sheets", value=", ".join(rivals))
    others = [str(other.sheet) for other in state.tables if other is not table and str(other.sheet) not in {*rivals, *OURS}]
    if others:
        state.add("shape.other_sheets", value=", ".join(others))


def columns(state: State) -> None:
    """Match headings to columns: exactly, by spelling, by declared alias; a near miss is only suggested."""
    if state.table is None or not state.header:
        return
    known = known_headings(state.contract)
    heading = state.table.cells.filter(pl.col(ROW) == state.header).row(0)[2:]
    places: dict[str, list[int]] = {}
    unknown: list[int] = []
    for place, text in enumerate(heading):
        column = known.get(plain(text))
        if column:
            places.setdefault(column[0].name, []).append(place)
            how = "same" if text == column[0].name else column[1]
            state.matches.append(HeaderMatch(text, column[0].name, how))
        else:
            unknown.append(place)
    state.positions = {name: found[0] for name, found in places.items() if len(found) == 1}
    _say_matches(state)
    for name, found in places.items():
        if len(found) > 1:
            cells = " and ".join(cell_name(state.header, place) for place in found)
            state.add(
                "shape.duplicate_heading", row=state.header, column=name, cell=cell_name(state.header, found[1]), cells=cells
            )
    _unknown(state, heading, unknown, set(places))
    _take_rows(state)


def _say_matches(state: State) -> None:
    for match in state.matches:
        if match.how == "alias":
            state.add("shape.alias", row=state.header, column=match.column, value=match.found)
        elif match.how == "spelling":
            state.add("shape.spelling", row=state.header, column=match.column, value=match.found)


def _unknown(state: State, heading: tuple[str, ...], unknown: list[int], found: set[str]) -> None:
    """Headings that match no column, and columns that match no heading."""
    missing = {
        plain(other): column.name
        for column in state.contract.columns
        if column.name not in found
        for other in (*column.aliases, column.label, column.name)
    }
    withdrawn = withdrawn_headings(state.contract)
    suggested: set[str] = set()
    for place in unknown:
        text, cell = heading[place], cell_name(state.header, place)
        if not plain(text):
            _unnamed(state, place)
            continue
        close = get_close_matches(plain(text), sorted(missing), 1, 0.8)
        if PERSONAL_HEADING.search(plain(text)):
            state.add("text.personal_heading", row=state.header, cell=cell, column=text, value=text)
        elif close and missing[close[0]] not in suggested:
            suggested.add(missing[close[0]])
            state.add("shape.misspelt_heading", row=state.header, cell=cell, column=missing[close[0]], value=text)
            continue
        elif plain(text) in withdrawn:
            state.add(
                "shape.withdrawn_column", row=state.header, cell=cell, column=text, value=text, until=withdrawn[plain(text)]
            )
        else:
            state.add("shape.ignored_column", row=state.header, cell=cell, column=text, value=text)
        state.ignored.append(shown(text))
        state.ignored_positions.append(place)
    for column in state.contract.columns:
        if column.required and column.name not in found | suggested:
            state.add("shape.missing_column", row=state.header, column=column.name, label=column.label)


def _unnamed(state: State, place: int) -> None:
    """A blank heading: nothing to say when the column is blank too."""
    if state.table is None:
        return
    below = state.table.cells.filter((pl.col(ROW) > state.header) & (pl.col(str(place)).str.strip_chars() != ""))
    if below.height and not (state.table.delimited and place >= _heading_width(state)):
        row, text = below.select(ROW, str(place)).row(0)
        state.add("shape.unnamed_column", row=row, cell=cell_name(row, place), value=text, letters=column_letters(place))


def _heading_width(state: State) -> int:
    """Number of cells in the row of headings, blank ones at its end left out."""
    if state.table is None:
        return 0
    heading = state.table.cells.filter(pl.col(ROW) == state.header).row(0)[2:]
    return max((place + 1 for place, text in enumerate(heading) if text.strip()), default=0)


def _take_rows(state: State) -> None:
    """The rows below the headings, with all their cells; the stages that follow take rows out and then keep the columns found."""
    if state.table is not None:
        # Rows are in order: a slice copies nothing.
        state.data = state.table.cells[state.table.cells[ROW].search_sorted(state.header, side="right") :]
        state.rows_read = state.data.height


def _take_out(state: State, rows: list[int]) -> None:
    if rows:
        state.set_aside.update(rows)
        state.data = state.data.filter(~pl.col(ROW).is_in(rows))


def second_heading(state: State) -> None:
    """A further row of headings is no data."""
    if not state.header or state.data.is_empty():
        return
    known = set(known_headings(state.contract))
    named = state.data.filter(
        pl.any_horizontal(pl.col(str(place)).is_in(_spellings(state)) for place in state.positions.values())
        if state.positions
        else pl.lit(False)
    )
    rows = {int(cells[0]): cells for cells in (*named.iter_rows(), *state.data.head(1).iter_rows())}
    out = [row for row, cells in sorted(rows.items()) if sum(plain(text[:200]) in known for text in cells[2:] if text) >= 2]
    for row in out:
        state.add("shape.second_heading", row=row)
    _take_out(state, out)


def _spellings(state: State) -> list[str]:
    return sorted({match.found for match in state.matches} | {column.name for column in state.contract.columns})


def stray_rows(state: State) -> None:
    """Totals, examples and footnotes inside the table are no data."""
    if state.data.is_empty() or not state.positions:
        return
    places = [name for name in state.data.columns if name not in {ROW, WIDTH}]
    # A row with at most two cells filled has a blank among the first three; a total or an example is known by its first cell.
    front = pl.any_horizontal(pl.col(name).str.strip_chars() == "" for name in places[:3])
    begins = state.data[places[0]].unique()
    words = begins.filter(begins.str.contains(_WORD))
    rows = state.data.filter(front | pl.col(places[0]).is_in(words))
    filled = pl.sum_horizontal((pl.col(name).str.strip_chars() != "").cast(pl.Int32) for name in places)
    first = pl.coalesce(pl.when(pl.col(name).str.strip_chars() != "").then(pl.col(name)) for name in places)
    odd = rows.select(ROW, filled.alias("filled"), first.alias("first"))
    columns = len(state.contract.columns)
    said = [(row, text, _stray(plain(text[:200]), count, columns)) for row, count, text in odd.iter_rows()]
    out = pl.DataFrame(
        [one for one in said if one[2]], schema={ROW: pl.Int64, "value": pl.String, "#rule": pl.String}, orient="row"
    )
    state.add_groups(out, None)
    _take_out(state, out[ROW].to_list())


def _stray(text: str, filled: int, columns: int) -> str | None:
    if _TOTALS.match(text):
        return "shape.total_row"
    if _EXAMPLE.match(text):
        return "shape.example_row"
    if columns > 2 and filled <= 2 and _FOOTNOTE.match(text):
        return "shape.footnote"
    return "shape.footnote" if filled == 1 and columns > 2 and re.search(r"[a-z]{2}", text) else None


def ragged(state: State) -> None:
    """Rows with more or fewer cells than there are headings: which value belongs where cannot be known."""
    if state.table is None or not state.header or not state.table.delimited or state.data.is_empty():
        return
    width = _heading_width(state)
    # Blank cells at the end are harmless where the headings, or all rows, have them; in one row alone they are cells moved along.
    headings_end = int(state.table.cells.filter(pl.col(ROW) == state.header)[WIDTH][0])
    most = max(headings_end, int(state.data[WIDTH].to_numpy().min()))
    beyond = [pl.col(str(place)).str.strip_chars() != "" for place in range(width, state.table.width)]
    extra = pl.any_horizontal(beyond) if beyond else pl.lit(False)
    long = state.data.filter(extra | (pl.col(WIDTH) > most))
    short = state.data.filter(pl.col(WIDTH) < width)
    for rule, rows in (("shape.row_long", long), ("shape.row_short", short)):
        words = rows.select(ROW, pl.lit(None, dtype=pl.String).alias("value"), pl.col(WIDTH).alias("found"))
        state.add_table(rule, words, None, expected=width)
    _take_out(state, [*long[ROW].to_list(), *short[ROW].to_list()])


def blanks(state: State) -> None:
    """Say that blank rows were passed over, and that no row is left."""
    if state.table is None or not state.header:
        return
    if state.table.blank_rows:
        state.add("shape.blank_rows", count=f"{state.table.blank_rows:,}")
    if not state.rows_read:
        state.add("shape.no_rows")
    unread = [name for name in state.data.columns if name in {str(place) for place in state.ignored_positions}]
    named = {str(place): name for name, place in state.positions.items()}
    kept = state.data.select(ROW, *named, *unread)
    state.data = kept.rename(named | {name: f"ignored {name}" for name in unread})


def workbook(state: State) -> None:
    """Say what a workbook hides or joins, and what stands far from the table."""
    if state.table is None or not state.header:
        return
    for kind, rule in (("merged", "shape.merged"), ("far", "shape.far_cell"), ("long", "shape.long_cell")):
        for mark in state.marks(kind):
            state.add(rule, row=mark.row, cell=cell_name(mark.row, mark.position), value=mark.text or None)
    far = [mark for mark in state.table.marks if mark.kind == "far" and mark.row <= state.header]
    for mark in far[:1]:
        state.add("shape.far_cell", row=mark.row, cell=cell_name(mark.row, mark.position), value=mark.text)
    for mark in state.marks("hidden_row"):
        state.add("shape.hidden_row", row=mark.row)
    for mark in state.table.marks:
        name = state.column_at(mark.position)
        if mark.kind == "hidden_column" and name:
            state.add("shape.hidden_column", column=name, value=column_letters(mark.position))
    if state.table.late and state.marks("date"):
        state.add("shape.dates_from_1904")
    for mark in state.marks("formula"):
        state.add("shape.formulas", count=f"{int(mark.text):,}")
