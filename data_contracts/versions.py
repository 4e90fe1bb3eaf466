"""Versions of a contract: what changed between two, in plain sentences, and how far the version number must go up for it.

A change is `major` where a return that was accepted may now be refused, or where what was sent now means something else; `minor`
where more may be sent, or less is asked; `patch` where only words changed. The contract linter of the Open Data Contract Standard
can tell this for the standard's own words; symbols, lists, headings and row rules are ours, so they are told here.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from data_contracts.contract import Column, Contract, Rule, contracts, load_contract, version_order
from data_contracts.headings import plain
from data_contracts.kinds import columns_of

LEVELS = ("patch", "minor", "major")


@dataclass(frozen=True)
class Change:
    """One difference between two versions of a contract.

    Attributes:
        level: `major`, `minor` or `patch`.
        sentence: what changed, in plain English.
        column: name of the column that it is about; blank where it is about the whole.
    """

    level: str
    sentence: str
    column: str = ""


def earlier_versions(contract: Contract) -> tuple[Contract, ...]:
    """The versions of a contract that ship with the project and came before it, newest first."""
    texts = [text for text in contracts().get(contract.name, []) if version_order(text) < version_order(contract.version)]
    return tuple(load_contract(contract.name, text) for text in reversed(texts))


def changes_since(contract: Contract, version: str | None = None) -> tuple[Change, ...]:
    """What changed in a contract since an earlier version of it.

    Args:
        contract: the later version.
        version: the earlier one; None takes the last before it.

    Returns:
        The changes, those that matter most first; none where there is no earlier version.

    Raises:
        ContractError: there is no such version.
    """
    chosen = load_contract(contract.name, version) if version else None
    before = chosen or next(iter(earlier_versions(contract)), None)
    return compare(before, contract) if before else ()


def needed_level(before: Contract, after: Contract) -> str:
    """The part of the version number that must go up: `major`, `minor` or `patch`; blank where nothing changed."""
    changes = compare(before, after)
    return changes[0].level if changes else ""


def raised_level(before: str, after: str) -> str:
    """The first part of a version number (`1.2.3`) that went up; blank where the second is not later than the first."""
    if version_order(after) <= version_order(before):
        return ""
    pairs = zip(reversed(LEVELS), version_order(before), version_order(after), strict=True)
    return next(level for level, old, new in pairs if old != new)


def compare(before: Contract, after: Contract) -> tuple[Change, ...]:
    """What changed between two versions of a contract, those changes that matter most first.

    Args:
        before: the earlier version.
        after: the later one.
    """
    found = [*_whole(before, after), *_columns(before, after), *_rules(before, after)]
    return tuple(sorted(found, key=lambda change: -LEVELS.index(change.level)))


def _whole(before: Contract, after: Contract) -> Iterator[Change]:
    """What is not about one column or rule."""
    if before.key != after.key:
        yield Change("major", f"A row is now named by {_listed(after.key)}; it was named by {_listed(before.key)}.")
    if before.period_kind != after.period_kind:
        kinds = (after.period_kind or "no period", before.period_kind or "no period")
        yield Change("major", f"The return is now asked for by {kinds[0]}; it was by {kinds[1]}.")
    if before.asked_from != after.asked_from and before.period_kind == after.period_kind:
        yield Change("minor", f"The first period asked for is now {after.asked_from}; it was {before.asked_from}.")
    if before.due_days != after.due_days:
        yield Change("minor", f"It is now due {after.due_days} days after its period; it was {before.due_days} days.")
    if before.coverage != after.coverage:
        who = "every authority of the region is" if after.coverage == "region" else "only the authorities concerned are"
        yield Change("minor", f"Now {who} expected to have a row.")
    if (before.change_factor, before.change_least) != (after.change_factor, after.change_least):
        yield Change("minor", "A large change since the last return is now asked about at another size.")
    for mark, meaning in after.missing_values.items():
        old = before.missing_values.get(mark, meaning)
        if old != meaning:
            yield Change("major", f"The symbol {mark} now means “{meaning}”; it meant “{old}”.")
    words = ("title", "description", "usage", "grain")
    if any(getattr(before, name) != getattr(after, name) for name in words):
        yield Change("patch", "What the return is for, or how to fill it in, is said in other words.")


def _columns(before: Contract, after: Contract) -> Iterator[Change]:
    old = {column.name: column for column in before.columns}
    new = {column.name: column for column in after.columns}
    for column in after.columns:
        if column.name in old:
            yield from _column(old[column.name], column)
        else:
            yield from _added(column, old, new)
    for column in before.columns:
        if column.name not in new and not _renamed(column, old, new):
            yield Change("major", f"{_named(column)} is no longer asked for.", column.name)
    if [name for name in old if name in new] != [name for name in new if name in old]:
        yield Change("patch", "The columns of the template stand in another order.")


def _renamed(column: Column, old: dict[str, Column], new: dict[str, Column]) -> Column | None:
    """The new column that takes over the heading of one that is gone."""
    heirs = (other for other in new.values() if other.name not in old and plain(column.name) in _headings(other))
    return next(heirs, None)


def _added(column: Column, old: dict[str, Column], new: dict[str, Column]) -> Iterator[Change]:
    gone = next((other for other in old.values() if other.name not in new and _renamed(other, old, new) is column), None)
    if gone:
        yield Change("major", f"{_named(gone)} is now called {column.name}. The old heading is still understood.", column.name)
        yield from _column(gone, column)
    elif column.required:
        yield Change("major", f"{_named(column)} is new and has to be filled in. {column.description}", column.name)
    else:
        yield Change("minor", f"{_named(column)} is new and may be left out. {column.description}", column.name)


def _column(old: Column, new: Column) -> Iterator[Change]:
    yield from (Change(level, f"{_named(new)}: {words}", new.name) for level, words in _differences(old, new))


def _differences(old: Column, new: Column) -> Iterator[tuple[str, str]]:
    """Level and words of each difference between a column then and now."""
    if old.type != new.type:
        yield "major", f"its type is now {new.type}; it was {old.type}."
    if old.required != new.required:
        yield ("major", "it now has to be filled in.") if new.required else ("minor", "it may now be left blank.")
    yield from _bounds(old, new)
    yield from _pattern(old, new)
    yield from _list("be entered", old.choices, new.choices, narrows=True)
    yield from _list("stand in place of a value", old.symbols, new.symbols, narrows=False)
    for word, then, now in (("unit", old.unit, new.unit), ("role", old.role, new.role)):
        if then != now:
            yield "major", f"its {word} is now {now or 'none'}; it was {then or 'none'}."
    if old.measure != new.measure:
        yield (
            "major" if old.measure else "minor",
            f"it now feeds the measure {new.measure or 'none'}, before {old.measure or 'none'}.",
        )
    if old.stratum != new.stratum:
        yield "major", "rows are told apart by it." if new.stratum else "rows are no longer told apart by it."
    withdrawn = sorted(_headings(old) - _headings(new))
    if withdrawn:
        yield "major", f"these headings are no longer understood: {_listed(withdrawn)}."
    if set(new.aliases) - set(old.aliases) - {old.name, old.label}:
        yield "minor", "more headings are understood."
    if (old.label, old.description) != (new.label, new.description):
        yield "patch", f"it is described in other words: {new.description}"


def _bounds(old: Column, new: Column) -> Iterator[tuple[str, str]]:
    limits = (
        ("least", old.minimum, new.minimum, _above),
        ("most", old.maximum, new.maximum, _below),
        ("longest text", old.max_length, new.max_length, _below),
    )
    for word, then, now, narrower in limits:
        if then != now:
            yield "major" if narrower(now, then) else "minor", f"the {word} is now {_said(now)}; it was {_said(then)}."


def _above(now: Any, then: Any) -> bool:
    return now is not None and (then is None or now > then)


def _below(now: Any, then: Any) -> bool:
    return now is not None and (then is None or now < then)


def _pattern(old: Column, new: Column) -> Iterator[tuple[str, str]]:
    if old.pattern != new.pattern:
        yield (
            ("major", f"it is now written as {new.pattern_words}.") if new.pattern else ("minor", "it may be written in any way.")
        )
    elif old.pattern_words != new.pattern_words:
        yield "patch", f"how it is written is said in other words: {new.pattern_words}."


def _list(what: str, then: tuple[str, ...], now: tuple[str, ...], narrows: bool) -> Iterator[tuple[str, str]]:
    """Words withdrawn from a list and added to it. With `narrows`, an empty list allows everything."""
    if narrows and bool(then) != bool(now):
        yield (("major", f"only these may {what} now: {_listed(now)}.") if now else ("minor", f"anything may now {what}."))
        return
    withdrawn, added = [word for word in then if word not in now], [word for word in now if word not in then]
    if withdrawn:
        yield "major", f"these may no longer {what}: {_listed(withdrawn)}."
    if added:
        yield "minor", f"these may now {what} too: {_listed(added)}."


def _rules(before: Contract, after: Contract) -> Iterator[Change]:
    old, new = {rule.id: rule for rule in before.rules}, {rule.id: rule for rule in after.rules}
    fresh = {column.name for column in after.columns} - {column.name for column in before.columns}
    for rule in after.rules:
        if rule.id in old:
            yield from _rule(old[rule.id], rule)
        else:
            # A rule over a column that is new says nothing of a return made before: such a file does not have the column.
            breaks = rule.severity == "error" and not columns_of(rule.arguments) & fresh
            yield Change(
                "major" if breaks else "minor", f"There is a new check ({_severity(rule)}): {_words(rule)}", rule.column or ""
            )
    for rule in before.rules:
        if rule.id not in new:
            yield Change("minor", f"This is no longer checked: {_words(rule)}", rule.column or "")


def _rule(old: Rule, new: Rule) -> Iterator[Change]:
    column = new.column or ""
    if old.severity != new.severity:
        harder = new.severity == "error"
        yield Change(
            "major" if harder else "minor", f"This is now {_severity(new)}, before {_severity(old)}: {_words(new)}", column
        )
    if (old.kind, old.arguments) != (new.kind, new.arguments):
        yield Change("major" if new.severity == "error" else "minor", f"This is checked in another way: {_words(new)}", column)
    if (old.message, old.fix, old.column) != (new.message, new.fix, new.column):
        yield Change("patch", f"A finding is said in other words: {_words(new)}", column)


def _severity(rule: Rule) -> str:
    return {"error": "an error: put it right", "query": "a query: put it right or explain"}.get(rule.severity, "a note")


def _words(rule: Rule) -> str:
    """The fix that a rule asks for: unlike its message, it has no values of a row in it."""
    return rule.fix if "{" not in rule.fix else rule.id.replace("_", " ") + "."


def _headings(column: Column) -> set[str]:
    return {plain(text) for text in (column.name, column.label, *column.aliases)}


def _named(column: Column) -> str:
    return f"{column.label} ({column.name})"


def _listed(words: Iterable[str]) -> str:
    return "; ".join(words) or "nothing"


def _said(limit: float | str | None) -> str:
    return "not limited" if limit is None else limit if isinstance(limit, str) else f"{limit:,}"
