"""Two releases side by side: what came, was replaced or is gone, each figure that changed, and what that did to estimates."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pilots import releases
from pilots.access import Actor, check_actor_can
from pilots.bundles.making import cells_frame, sources
from pilots.catalogue import outcome, outcomes
from pilots.errors import UserError
from pilots.fanout import within
from pilots.periods import parse
from pilots.places import names
from pilots.plans import Plan
from pilots.releases import Release
from pilots.runs import Progress, Run, evaluate_plans
from pilots.storage import Store

ADDED, REPLACED, GONE = "added", "replaced", "withdrawn"
SPELL = ["authority", "reform", "start"]
CELLS = ["outcome", "outcome_label", "authority", "authority_name", "period", "part", "before", "after", "change"]
EFFECTS = ["outcome", "outcome_label", "estimator", "number", "before", "after", "change"]
NUMBERS = ("estimate", "std_error", "p_value", "lower", "upper")


@dataclass(frozen=True)
class ReleaseComparison:
    """What changed from one release to another.

    Attributes:
        before: the release that is compared with.
        after: the other.
        submissions: kind (`added`, `replaced` or `withdrawn`), collection, region, period, and the references before and after.
        vintages: kind (`added`, `replaced` by a restatement, or `withdrawn`), publication, edition, references before and after.
        spells: kind, authority, reform, start, and what stood there before and stands there now.
        cells: the columns of `CELLS`: figures that are not what they were; None where a release has none.
    """

    before: Release
    after: Release
    submissions: list[dict[str, Any]]
    vintages: list[dict[str, Any]]
    spells: list[dict[str, Any]]
    cells: list[dict[str, Any]]

    @property
    def words(self) -> str:
        """How much changed, in one sentence."""
        counts = [
            f"{len(rows):,} {one if len(rows) == 1 else many}"
            for one, many, rows in (
                ("return", "returns", self.submissions),
                ("published series", "published series", self.vintages),
                ("spell of the register", "spells of the register", self.spells),
                ("figure", "figures", self.cells),
            )
        ]
        return f"From “{self.before.name}” to “{self.after.name}” there are changes in {', '.join(counts)}."

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain JSON."""
        ends = {name: {"id": one.id, "name": one.name, "digest": one.digest} for name, one in self._ends()}
        lists = {name: getattr(self, name) for name in ("submissions", "vintages", "spells", "cells")}
        return {**ends, "words": self.words, **lists}

    def _ends(self) -> tuple[tuple[str, Release], ...]:
        return ("before", self.before), ("after", self.after)


@dataclass(frozen=True)
class RestatementEffect:
    """What the changes between two releases did to the estimates of a plan.

    Attributes:
        comparison: what changed of that which the plan reads.
        runs: the plan's run on each release.
        estimates: the columns of `EFFECTS`, for the headline and each estimator's overall effect.
    """

    comparison: ReleaseComparison
    runs: tuple[Run, Run]
    estimates: list[dict[str, Any]]

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain JSON."""
        return {
            "comparison": self.comparison.to_dict(),
            "runs": [one.run_id for one in self.runs],
            "verdicts": [[question["verdict"]["words"] for question in one.document["questions"]] for one in self.runs],
            "estimates": self.estimates,
        }


def compare_releases(store: Store, actor: Actor, before: str, after: str, plan: Plan | None = None) -> ReleaseComparison:
    """What changed from one release to another.

    Args:
        store: where both lie.
        actor: who may read releases.
        before: reference or name of the earlier.
        after: of the later.
        plan: only what this plan reads; without it, everything.

    Raises:
        NotAllowed: the actor may not.
        ReleaseError: there is no such release.
    """
    check_actor_can(actor, "read_releases")
    old, new = releases.release(store, actor, before), releases.release(store, actor, after)
    read = None if plan is None else set(sources(plan))
    submissions = list(_moves(old.submissions, new.submissions, ("collection", "region", "period"), "rows_digest", read))
    vintages = list(_moves(_newest(old), _newest(new), ("publication", "edition"), "values_digest", read))
    moved = {row["collection"] for row in submissions} | {row["publication"] for row in vintages}
    asked = [outcome(name) for name in plan.outcomes] if plan else outcomes()
    cells = [row for about in asked if about.source in moved for row in _cells(store, old, new, about.id)]
    return ReleaseComparison(old, new, submissions, vintages, list(_spells(store, old, new)), cells)


def restatement_effect(
    store: Store, actor: Actor, before: str, after: str, plan: Plan, progress: Progress | None = None
) -> RestatementEffect:
    """What the changes between two releases did to a plan's estimates: the same plan on both, side by side.

    A run that is there already, by the same code, is taken as it is.

    Args:
        store: where both releases lie and runs are kept.
        actor: who may evaluate.
        before: reference or name of the earlier release.
        after: of the later.
        plan: what is asked.
        progress: told the share done and what is being done.

    Raises:
        NotAllowed: the actor may not.
        UserError: there is no such release, or one of them cannot answer the plan.
    """
    check_actor_can(actor, "evaluate")
    compared = compare_releases(store, actor, before, after, plan)
    tell = progress or (lambda share, words: None)
    made = []
    for number, one in enumerate((compared.before, compared.after)):
        found = evaluate_plans(store, actor, [plan], one, within(tell, number, 2, one.name), only_new=True)
        if found.refused:
            raise UserError(f"Release {one.name}: {found.refused[0].reason}")
        made.append(found.runs[0])
    first, second = made
    return RestatementEffect(compared, (first, second), list(_estimates(first, second)))


def _moves(
    old: Sequence[Mapping[str, Any]],
    new: Sequence[Mapping[str, Any]],
    keys: tuple[str, ...],
    content: str,
    read: set[str] | None,
) -> Iterator[dict[str, Any]]:
    """What was added, replaced or withdrawn; equal content under another reference is no change."""
    before = {tuple(one[name] for name in keys): one for one in old}
    after = {tuple(one[name] for name in keys): one for one in new}
    for key in sorted({*before, *after}):
        was, now = before.get(key), after.get(key)
        if (was and now and was[content] == now[content]) or (read is not None and key[0] not in read):
            continue
        kind = REPLACED if was and now else ADDED if now else GONE
        references = {"before": was and was["reference"], "after": now and now["reference"]}
        yield {"kind": kind, **dict(zip(keys, key, strict=True)), **references}


def _newest(release: Release) -> list[dict[str, Any]]:
    """The newest vintage of each edition: the one that counts."""
    newest: dict[tuple[str, str], dict[str, Any]] = {}
    for one in release.vintages:
        key = (one["publication"], one["edition"])
        if key not in newest or newest[key]["order"] < one["order"]:
            newest[key] = one
    return list(newest.values())


def _spells(store: Store, old: Release, new: Release) -> Iterator[dict[str, Any]]:
    before, after = (_by_start(releases.register_spells(store, one)) for one in (old, new))
    for key in sorted({*before, *after}):
        was, now = before.get(key), after.get(key)
        if was != now:
            kind = REPLACED if was and now else ADDED if now else GONE
            yield {"kind": kind, **dict(zip(SPELL, key, strict=True)), "before": was, "after": now}


def _by_start(spells: pd.DataFrame) -> dict[tuple[str, str, str], str]:
    """What the register says of each spell, in words, by authority, reform and start."""
    rest = [name for name in spells.columns if name not in SPELL]
    made = {}
    for row in spells.astype(object).to_dict("records"):
        said = [f"{name.replace('_', ' ')} {row[name]}" for name in rest if not pd.isna(row[name]) and row[name] != ""]
        made[str(row["authority"]), str(row["reform"]), str(row["start"])] = ", ".join(said)
    return made


def _cells(store: Store, old: Release, new: Release, name: str) -> Iterator[dict[str, Any]]:
    """Numerators, denominators and figures of an outcome that are not what they were."""
    about, called = outcome(name), names()
    before, after = (_values(store, one, name) for one in (old, new))
    for code, period in sorted({*before, *after}, key=lambda key: (parse(key[1]).start, key[0])):
        was, now = before.get((code, period), {}), after.get((code, period), {})
        for part in dict.fromkeys([*was, *now]):
            one, other = was.get(part), now.get(part)
            if one != other:
                change = None if one is None or other is None else other - one
                where = {"authority": code, "authority_name": called.get(code, code), "period": period, "part": part}
                yield {"outcome": name, "outcome_label": about.label, **where, "before": one, "after": other, "change": change}


def _values(store: Store, release: Release, name: str) -> dict[tuple[str, str], dict[str, float | None]]:
    """Numerator, denominator and figure by authority and period; none where the release has nothing on the outcome."""
    about = outcome(name)
    try:
        cells = cells_frame(store, release, about)
    except UserError:  # the release has no figures of it: all that the other has was added
        return {}
    found: dict[tuple[str, str], dict[str, float | None]] = {}
    for row in cells.to_dict("records"):
        parts = {
            part: None if pd.isna(row[part]) else float(row[part])
            for part in cells.columns
            if part in ("numerator", "denominator")
        }
        top, bottom = parts["numerator"], parts.get("denominator")
        if about.denominator:
            parts["figure"] = about.scale * top / bottom if top is not None and bottom else None
        found[str(row["authority"]), str(row["period"])] = parts
    return found


def _estimates(before: Run, after: Run) -> Iterator[dict[str, Any]]:
    """The headline and every overall effect, before and after."""
    pairs = zip(before.document["questions"], after.document["questions"], strict=True)
    for old, new in pairs:
        about = {"outcome": old["outcome"], "outcome_label": old["outcome_label"]}
        yield from _numbers(
            {**about, "estimator": f"headline ({old['headline']['estimator']})"}, old["headline"], new["headline"]
        )
        other = {key: row for key, row in _overall(new)}
        for key, row in _overall(old):
            yield from _numbers({**about, "estimator": key}, row, other.get(key, {}))


def _overall(question: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for one in question["results"]:
        if one["aggregate"] == "overall" and one["rows"]:
            yield f"{one['estimator']}, errors by {one['cluster']}", one["rows"][0]


def _numbers(about: dict[str, Any], old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for name in NUMBERS:
        was, now = old.get(name), new.get(name)
        if was is not None or now is not None:
            change = None if was is None or now is None else now - was
            yield {**about, "number": name, "before": was, "after": now, "change": change}
