"""From counts and gaps to the returns' rows and files, with the explanations that their queries need."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from data_contracts import load_contract
from pilots.demonstration.design import codes_at, places, terms
from pilots.demonstration.gaps import Gaps
from pilots.demonstration.tiers import TIERS

PROCESS_BLOCKS = {"requests": "requests", "requests_refused": "requests"}  # all other figures are of the block "plans"
TIERS_BLOCKS = {
    "placements_ended": "outcomes",
    "returned_to_mainstream": "outcomes",
    "returned_after_12_weeks": "outcomes",
}  # all other figures are of the block "placements"
NEW_AREA = "Worked out again for the area of today"

EXPLANATIONS = {
    "values.early_code": "The figures were worked out again for the new area from case records.",
    "rows.missing_authority": "The authority has sent nothing for this term. We have asked for it.",
    "history.large_change": "Checked with the authority: the figure is right. It has changed over to another system.",
    "many_exceptions": "Each exception was checked: schools were closed for more than four weeks.",
    "many_refused": "Checked with the authority: many requests came without evidence of need.",
    "tiers_missing": "The authority has no figures for this tier this term.",
    "unregistered_full_time_law": "Each setting was visited. The pupils have been found places in registered schools.",
    "sessions_against_term": "Checked with the authority: the sessions include the summer school.",
}


@dataclass(frozen=True, eq=False)
class Table:
    """All rows of one collection, R of them, ordered by region, term, authority and tier.

    Attributes:
        collection: its name.
        region, authority, period: of each row; the authority is that of today.
        cells: text of the file by column.
        values: figures by column, NaN where a symbol stands.
        queries: rules whose queries a return raises, by region and term.
    """

    collection: str
    region: np.ndarray
    authority: np.ndarray
    period: np.ndarray
    cells: Mapping[str, np.ndarray]
    values: Mapping[str, np.ndarray]
    queries: Mapping[tuple[str, str], tuple[str, ...]]

    def rows(self, region: str, period: str) -> list[list[str]]:
        """The texts of one return's rows, in the order of the contract's columns."""
        at = np.flatnonzero((self.region == region) & (self.period == period))
        return [[str(column[row]) for column in self.cells.values()] for row in at]

    def file(self, region: str, period: str) -> bytes:
        """One return as CSV."""
        return csv_bytes(list(self.cells), self.rows(region, period))

    def filename(self, region: str, period: str) -> str:
        """A name for the file."""
        return f"{self.collection}_{region}_{period}.csv".replace("/", "-").replace(" ", "_")

    def explanations(self, region: str, period: str) -> dict[str, str]:
        """Explanation by rule of the queries that the return raises."""
        return {rule: EXPLANATIONS[rule] for rule in self.queries.get((region, period), ())}


def csv_bytes(columns: list[str], rows: list[list[str]]) -> bytes:
    """Rows as CSV, with quotation marks around a text with a comma; no text has a quotation mark or a line end."""
    return "".join(",".join(map(_quoted, row)) + "\n" for row in [columns, *rows]).encode()


def _quoted(text: str) -> str:
    return f'"{text}"' if "," in text else text


def process_table(counts: Mapping[str, np.ndarray], lost: Gaps) -> Table:
    """Rows of `ehcp_process`."""
    with_tier = {name: values[..., None].astype(float) for name, values in counts.items()}
    marks = {name: lost.symbols[PROCESS_BLOCKS.get(name, "plans")][..., None] for name in counts}
    return _table("ehcp_process", with_tier, marks, lost.absent[..., None])


def tiers_table(counts: Mapping[str, np.ndarray], lost: Gaps) -> Table:
    """Rows of `ap_tiers`; now and then the row of a single tier does not come."""
    values = {name: value.astype(float) for name, value in counts.items()}
    marks = {
        name: np.repeat(lost.symbols[TIERS_BLOCKS.get(name, "placements")][..., None], len(TIERS), axis=2) for name in counts
    }
    return _table("ap_tiers", values, marks, np.repeat(lost.absent[..., None], len(TIERS), axis=2))


def _table(collection: str, counts: dict[str, np.ndarray], marks: dict[str, np.ndarray], absent: np.ndarray) -> Table:
    """Rows in order of region, term, authority (and tier) of everything that comes."""
    where, (codes, early) = places(), codes_at()
    authority, term, tier = np.nonzero(~absent)
    order = np.lexsort((tier, authority, term, where.region[authority]))
    authority, term, tier = authority[order], term[order], tier[order]
    at = (authority, term, tier)
    values, cells = {}, {"authority": codes[authority, term], "period": np.array(terms(), dtype=object)[term]}
    if collection == "ap_tiers":
        cells["tier"] = np.array(TIERS, dtype=object)[tier]
    for name, count in counts.items():
        mark, value = marks[name][at], count[at].copy()
        text = value.astype(str) if name == "average_weeks" else np.nan_to_num(value).astype(int).astype(str)
        text = np.where(np.isnan(value), "z", text.astype(object))
        cells[name] = np.where(mark == None, text, mark)  # noqa: E711 (element by element)
        value[mark != None] = np.nan  # noqa: E711
        values[name] = value
    cells["note"] = np.where(early[authority, term], NEW_AREA, "").astype(object)
    # Columns that may be left out and that the programme does not make: its returns are filled in on the first template.
    names = [column.name for column in load_contract(collection).columns if column.required or column.name in cells]
    region = np.array(where.regions, dtype=object)[authority]
    queries = _queries(counts, marks, absent, collection)
    return Table(
        collection=collection,
        region=region,
        authority=np.array(where.codes, dtype=object)[authority],
        period=np.array(terms(), dtype=object)[term],
        cells={name: cells[name] for name in names},
        values=values,
        queries=queries,
    )


def _queries(
    counts: dict[str, np.ndarray], marks: dict[str, np.ndarray], absent: np.ndarray, collection: str
) -> dict[tuple[str, str], tuple[str, ...]]:
    """Which rules of query a return will raise: the same conditions as the contract's, on whole arrays."""
    known = {
        name: np.where((marks[name] == None) & ~absent, count, np.nan)  # noqa: E711 (element by element)
        for name, count in counts.items()
    }
    codes, early = codes_at()
    nothing = ~_any(~absent)
    raised: dict[str, np.ndarray] = {
        "values.early_code": early & ~nothing,
        "rows.missing_authority": nothing,
    }
    same_code = np.zeros(codes.shape, bool)
    same_code[:, 1:] = codes[:, 1:] == codes[:, :-1]
    contract = load_contract(collection)
    large = np.zeros(codes.shape, bool)
    for value in known.values():
        last = np.full(value.shape, np.nan)
        last[:, 1:] = value[:, :-1]
        with np.errstate(invalid="ignore"):
            far = np.abs(value - last) >= contract.change_least
            far &= np.fmax(value, last) >= contract.change_factor * np.fmin(value, last)
        large |= _any(far) & same_code
    raised["history.large_change"] = large
    with np.errstate(invalid="ignore"):
        if collection == "ehcp_process":
            raised["many_exceptions"] = _many(known["exceptions"], known["plans_issued"], 0.5)
            raised["many_refused"] = _many(known["requests_refused"], known["requests"], 0.7)
        else:
            raised["unregistered_full_time_law"] = _any(known["unregistered_full_time"] > 0)
            raised["sessions_against_term"] = _any(known["sessions"] > 150 * known["placements"])
            raised["tiers_missing"] = _any(absent) & ~nothing
    return _by_return(raised)


def _any(of_tiers: np.ndarray) -> np.ndarray:
    """Whether it holds in any tier: N × 18."""
    return np.asarray(of_tiers.any(axis=2))


def _many(part: np.ndarray, whole: np.ndarray, share: float) -> np.ndarray:
    """Where a part is more than this share of its whole, and 10 or more: N × 18."""
    return _any((part >= 10) & (part > share * whole + 1e-9))


def _by_return(raised: dict[str, np.ndarray]) -> dict[tuple[str, str], tuple[str, ...]]:
    where, found = places(), {}
    for number, region in enumerate(sorted(set(where.regions))):
        mine = where.region == number
        for column, term in enumerate(terms()):
            rules = tuple(rule for rule, hits in raised.items() if hits[mine, column].any())
            if rules:
                found[region, term] = rules
    return found
