"""The closed vocabulary of rules that a contract may declare: each kind is one function, vectorised over the grid.

Words for numbers: a column's name, a number, or one of `{sum: [...]}`, `{product: [...]}`, `{difference: [a, b]}`,
`{positive: [...]}` (how many of them are above 0).
Words for conditions: `{column: …, equals | above | at_most | in | not_in | symbol | not_symbol | filled | known: …}`,
`{equal: [a, b]}`, `{at_least: [a, b]}`, `{all: [...]}`, `{any: [...]}`. A rule is silent on a row where a value that it needs is
blank, a symbol or at fault: that has a finding of its own, or is allowed.
"""

from collections.abc import Callable, Iterable
from datetime import date
from functools import reduce
from typing import Any

import polars as pl

from data_contracts.context import period_span
from data_contracts.contract import Rule
from data_contracts.errors import ContractError
from data_contracts.reading.table import ROW
from data_contracts.state import State

# Rows at fault: a table with their numbers, or pairs of row number and further words for the message.
Found = pl.DataFrame | Iterable[tuple[int, dict[str, Any]]]
_OPEN_END = date(9999, 12, 31)
_ROUNDING = 1e-9


def number(operand: Any) -> pl.Expr:
    """An operand as an expression."""
    if isinstance(operand, str):
        return pl.col(operand)
    if isinstance(operand, int | float):
        return pl.lit(operand)
    if isinstance(operand, dict) and len(operand) == 1:
        word, parts = next(iter(operand.items()))
        terms = [number(part) for part in parts]
        if word == "sum":
            return reduce(lambda one, other: one + other, terms)
        if word == "product":
            return reduce(lambda one, other: one * other, terms)
        if word == "difference" and len(terms) == 2:
            return terms[0] - terms[1]
        if word == "positive":
            return reduce(lambda one, other: one + other, ((term > 0).cast(pl.Int64) for term in terms))
    raise ContractError(
        f"{operand!r} is no number that a rule can use. Use a column, a number, sum, product, difference or positive."
    )


def condition(words: dict[str, Any]) -> pl.Expr:
    """A condition as an expression: true, false, or null where it cannot be known."""
    if "all" in words:
        return pl.all_horizontal(condition(part) for part in words["all"])
    if "any" in words:
        return pl.any_horizontal(condition(part) for part in words["any"])
    if "equal" in words:
        return number(words["equal"][0]) == number(words["equal"][1])
    if "at_least" in words:
        return number(words["at_least"][0]) >= number(words["at_least"][1]) - _ROUNDING
    name = words.get("column", "")
    others = [word for word in words if word != "column"]
    if not name or len(others) != 1 or others[0] not in CONDITIONS:
        raise ContractError(f"{words!r} is no condition. Give a column and one of {', '.join(CONDITIONS)}.")
    return CONDITIONS[others[0]](name, words[others[0]])


def _symbol(name: str, marks: list[str]) -> pl.Expr:
    symbol = pl.col(f"{name}#symbol")
    return pl.when(symbol.is_not_null()).then(symbol.is_in(marks)).when(pl.col(name).is_not_null()).then(False)


CONDITIONS: dict[str, Callable[[str, Any], pl.Expr]] = {
    "equals": lambda name, value: pl.col(name) == pl.lit(value),
    "above": lambda name, value: pl.col(name) > value,
    "at_most": lambda name, value: pl.col(name) <= value,
    "in": lambda name, values: pl.col(name).is_in(values),
    "not_in": lambda name, values: ~pl.col(name).is_in(values),
    "symbol": _symbol,
    "not_symbol": lambda name, marks: ~_symbol(name, marks),
    "filled": lambda name, wanted: (pl.col(f"{name}#text") != "") == pl.lit(wanted),
    "known": lambda name, wanted: pl.col(name).is_not_null() == pl.lit(wanted),
}


def columns_of(words: Any) -> set[str]:
    """Columns that the arguments of a rule name."""
    if isinstance(words, dict):
        literal = {"equals", "in", "not_in", "symbol", "not_symbol", "value", "values", "steps"}
        return {name for key, value in words.items() if key not in literal for name in columns_of(value)}
    if isinstance(words, list):
        return {name for word in words for name in columns_of(word)}
    return {words} if isinstance(words, str) else set()


def _ready(state: State, rule: Rule) -> bool:
    """Whether the file has all columns that the rule needs; one the contract itself lacks is a fault of the contract."""
    needed = columns_of(rule.arguments)
    known = {column.name for column in state.contract.columns}
    if needed - known:
        raise ContractError(f"Rule {rule.id} names {', '.join(sorted(needed - known))}, which the contract does not have.")
    return needed <= set(state.grid.columns)


def _failing(state: State, rule: Rule, fails: pl.Expr) -> Found:
    return state.grid.filter(fails.fill_null(False)).select(ROW)


def at_most(state: State, rule: Rule) -> Found:
    """`left` is at most `right`; with `least`, only where left is at least so much."""
    if not _ready(state, rule):
        return []
    left, right = number(rule.arguments["left"]), number(rule.arguments["right"])
    fails = left > right + _ROUNDING
    return _failing(state, rule, fails & (left >= rule.arguments["least"]) if "least" in rule.arguments else fails)


def equal(state: State, rule: Rule) -> Found:
    """`left` equals `right`, to a `tolerance`."""
    if not _ready(state, rule):
        return []
    gap = (number(rule.arguments["left"]) - number(rule.arguments["right"])).abs()
    return _failing(state, rule, gap > number(rule.arguments.get("tolerance", 0)) * (1 + _ROUNDING) + _ROUNDING)


def near(state: State, rule: Rule) -> Found:
    """`left` differs from `right` by at most a `share` of it."""
    if not _ready(state, rule):
        return []
    left, right = number(rule.arguments["left"]), number(rule.arguments["right"])
    return _failing(state, rule, (left - right).abs() > right.abs() * rule.arguments["share"] + _ROUNDING)


def adds_up(state: State, rule: Rule) -> Found:
    """`parts` add up to `total`, to a `tolerance`."""
    if not _ready(state, rule):
        return []
    gap = (number({"sum": rule.arguments["parts"]}) - number(rule.arguments["total"])).abs()
    return _failing(state, rule, gap > rule.arguments.get("tolerance", 0) + _ROUNDING)


def implies(state: State, rule: Rule) -> Found:
    """Where `when` holds, `then` holds."""
    if not _ready(state, rule):
        return []
    return _failing(state, rule, condition(rule.arguments["when"]) & ~condition(rule.arguments["then"]))


def not_falling(state: State, rule: Rule) -> Found:
    """Along the `order` of the rows `within` a group, what stands in `of` does not fall; `steps` puts words in order."""
    return _along(state, rule, lambda now, before: now < before)


def not_rising(state: State, rule: Rule) -> Found:
    """Along the `order` of the rows `within` a group, what stands in `of` does not rise; `steps` puts words in order."""
    return _along(state, rule, lambda now, before: now > before)


def _along(state: State, rule: Rule, wrong: Callable[[pl.Expr, pl.Expr], pl.Expr]) -> Found:
    """Rows that go the wrong way from the one before them, with its text and its place in the order."""
    if not _ready(state, rule):
        return []
    within, order, of = rule.arguments["within"], rule.arguments["order"], rule.arguments["of"]
    known = state.grid.filter(pl.all_horizontal(pl.col(name).is_not_null() for name in [*within, order, of]))
    pair = known.sort([*within, order, ROW]).select(
        ROW,
        now=_step(of, rule),
        before=_step(of, rule).shift(1).over(within),
        text=pl.col(f"{of}#text").shift(1).over(within),
        at=pl.col(f"{order}#text").shift(1).over(within),
    )
    fails = pair.filter(wrong(pl.col("now"), pl.col("before")))
    return [(int(row), {"before": text, "before_at": at}) for row, text, at in fails.select(ROW, "text", "at").iter_rows()]


def _step(name: str, rule: Rule) -> pl.Expr:
    """The value of a column, or its place among the steps of the rule."""
    steps = rule.arguments.get("steps")
    if not steps:
        return pl.col(name)
    return pl.col(name).replace_strict({step: place for place, step in enumerate(steps)}, default=None, return_dtype=pl.Int64)


def alone(state: State, rule: Rule) -> Found:
    """A row with the `value` `of` a column is the only one `within` its group."""
    if not _ready(state, rule):
        return []
    within = rule.arguments["within"]
    known = state.grid.filter(pl.all_horizontal(pl.col(name).is_not_null() for name in within))
    fails = known.filter((pl.col(rule.arguments["of"]) == rule.arguments["value"]) & (pl.len().over(within) > 1))
    return [(int(row), {}) for row in fails[ROW]]


def not_back(state: State, rule: Rule) -> Found:
    """What stands `of` a column is not a step before that of the last return for the same `key`."""
    previous, key, of = state.context.previous, rule.arguments["key"], rule.arguments["of"]
    if previous is None or previous.empty or not _ready(state, rule) or not {*key, of} <= set(previous.columns):
        return []
    had = previous.dropna(subset=[*key, of])
    before = pl.DataFrame({name: had[name].astype(str).tolist() for name in [*key, of]}).with_columns(
        _step(of, rule).alias("#last"), pl.col(of).alias("#last text")
    )
    now = state.grid.select(ROW, _step(of, rule).alias("#now"), *(pl.col(name).cast(pl.String) for name in key))
    fails = now.join(before, on=key).filter(pl.col("#now") < pl.col("#last"))
    return [(int(row), {"last": text}) for row, text in fails.select(ROW, "#last text").iter_rows()]


def later(state: State, rule: Rule) -> Found:
    """The date `second` is after the date `first`."""
    if not _ready(state, rule):
        return []
    return _failing(state, rule, pl.col(rule.arguments["second"]) <= pl.col(rule.arguments["first"]))


def no_overlap(state: State, rule: Rule) -> Found:
    """Spells `within` a group do not overlap; an end that is blank is open. Spells that begin together are duplicates instead."""
    if not _ready(state, rule):
        return []
    within, start, end = rule.arguments["within"], rule.arguments["start"], rule.arguments["end"]
    known = state.grid.filter(pl.all_horizontal(pl.col(name).is_not_null() for name in [*within, start]))
    known = known.filter(pl.col(end).is_not_null() | (pl.col(f"{end}#text") == "")).sort([*within, start, ROW])
    known = known.with_columns(pl.col(end).fill_null(_OPEN_END).cum_max().over(within).alias("#until"))
    before = known.with_columns(
        pl.col("#until").shift(1).over(within).alias("#before"), pl.col(start).shift(1).over(within).alias("#other")
    )
    fails = before.filter((pl.col(start) <= pl.col("#before")) & (pl.col(start) != pl.col("#other")))
    return [(int(row), {"other_start": other.isoformat()}) for row, other in fails.select(ROW, "#other").iter_rows()]


def complete(state: State, rule: Rule) -> Found:
    """Each group `within` has a row for every one of `values` `of` a column."""
    if not _ready(state, rule):
        return []
    within, of, wanted = rule.arguments["within"], rule.arguments["of"], rule.arguments["values"]
    known = state.grid.filter(pl.all_horizontal(pl.col(name).is_not_null() for name in within))
    groups = known.group_by(within, maintain_order=True).agg(pl.col(ROW).min(), pl.col(of).alias("#have"))
    found = []
    for row, have in groups.select(ROW, "#have").iter_rows():
        missing = [value for value in wanted if value not in have]
        if missing and set(have) <= set(wanted):
            found.append((int(row), {"missing": " and ".join(missing)}))
    return found


def constant(state: State, rule: Rule) -> Found:
    """All rows `within` a group have one value `of` a column: that of the first row which has one."""
    if not _ready(state, rule):
        return []
    within, of = rule.arguments["within"], rule.arguments["of"]
    known = state.grid.filter(pl.all_horizontal(pl.col(name).is_not_null() for name in [*within, of]))
    first = known.select(ROW, of, pl.col(of, f"{of}#text").first().over(within, order_by=ROW).name.prefix("#first "))
    differ = first.filter(pl.col(of) != pl.col(f"#first {of}"))
    return [(int(row), {"other": text}) for row, text in differ.select(ROW, f"#first {of}#text").iter_rows()]


def not_after_period(state: State, rule: Rule) -> Found:
    """The `date` is not after the last day of the `period` of its row."""
    if not _ready(state, rule):
        return []
    moment, period = rule.arguments["date"], rule.arguments["period"]
    spans = {text: period_span(text) for text in state.grid[period].drop_nulls().unique()}
    ends = {text: span[1] for text, span in spans.items() if span}
    last = pl.col(period).replace_strict(ends, default=None, return_dtype=pl.Date)
    late = state.grid.select(ROW, late=pl.col(moment) > last, last=last).filter(pl.col("late"))
    return [(int(row), {"last_day": day.isoformat()}) for row, day in late.select(ROW, "last").iter_rows()]


def falls_only_with(state: State, rule: Rule) -> Found:
    """What is counted `of` a column does not fall below the last return's for the same `key`, unless a `reason` is given."""
    previous, key, of = state.context.previous, rule.arguments["key"], rule.arguments["of"]
    if previous is None or previous.empty or not _ready(state, rule) or not {*key, of} <= set(previous.columns):
        return []
    had = previous.dropna(subset=[*key, of])
    before = pl.DataFrame({**{name: had[name].astype(str).tolist() for name in key}, "#last": had[of].astype(float).tolist()})
    now = state.grid.select(
        ROW, of, *(pl.col(name).cast(pl.String) for name in key), reason=pl.col(f"{rule.arguments['reason']}#text")
    )
    fell = now.join(before, on=key).filter((pl.col(of) < pl.col("#last")) & (pl.col("reason") == ""))
    return [(int(row), {"last": f"{last:g}"}) for row, last in fell.select(ROW, "#last").iter_rows()]


def not_dated_back(state: State, rule: Rule) -> Found:
    """A row is either one that is locked, or its `date` is after all locked ones of the same `key`."""
    locked = state.context.locked
    if locked is None or locked.empty or not _ready(state, rule):
        return []
    key, moment = rule.arguments["key"], rule.arguments["date"]
    dates: dict[tuple[str, ...], set[str]] = {}
    for spell in locked.to_dict("records"):
        dates.setdefault(tuple(str(spell[name]) for name in key), set()).add(str(spell[moment])[:10])
    found = []
    rows = state.grid.filter(pl.all_horizontal(pl.col(name).is_not_null() for name in [*key, moment]))
    for cells in rows.select(ROW, *key, moment).iter_rows(named=True):
        held = dates.get(tuple(str(cells[name]) for name in key), set())
        begun = cells[moment].isoformat()
        if held and begun not in held and begun <= max(held):
            found.append((int(cells[ROW]), {"locked": ", ".join(sorted(held))}))
    return found


KINDS: dict[str, Callable[[State, Rule], Found]] = {
    "adds_up": adds_up,
    "alone": alone,
    "at_most": at_most,
    "complete": complete,
    "constant": constant,
    "equal": equal,
    "falls_only_with": falls_only_with,
    "implies": implies,
    "later": later,
    "near": near,
    "no_overlap": no_overlap,
    "not_after_period": not_after_period,
    "not_back": not_back,
    "not_dated_back": not_dated_back,
    "not_falling": not_falling,
    "not_rising": not_rising,
}
HISTORY_KINDS = frozenset({"falls_only_with", "not_back", "not_dated_back"})
# Words that a kind puts into its messages beside the values of the row.
GIVEN: dict[str, frozenset[str]] = {
    "complete": frozenset({"missing"}),
    "constant": frozenset({"other"}),
    "falls_only_with": frozenset({"last"}),
    "no_overlap": frozenset({"other_start"}),
    "not_after_period": frozenset({"last_day"}),
    "not_back": frozenset({"last"}),
    "not_dated_back": frozenset({"locked"}),
    "not_falling": frozenset({"before", "before_at"}),
    "not_rising": frozenset({"before", "before_at"}),
}
