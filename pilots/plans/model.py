"""What a plan says, and every way in which its YAML can be wrong, said by name."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from evaluation import ESTIMATORS, PanelError
from evaluation.estimators import check_options
from pilots.catalogue import CatalogueError, outcome, reform
from pilots.errors import UserError
from pilots.periods import PeriodError, between, parse
from pilots.places import authorities
from pilots.storage.base import canonical_json

STARTS = ("first_full_period", "containing_period")
COMPARISONS = (
    "all_others",
    "same_regions",
    "statistical_neighbours",
    "not_bordering",
    "not_yet_adopters",
    "programme_only",
    "as_catalogue",
)
WEIGHTS = ("none", "denominator")
INTENSITIES = ("on_off", "register")
UNITS = ("authority", "school")
CLUSTERS = ("partnership", "region", "authority")
COST_COLLECTIONS = ("programme_costs",)
KEYS = {
    "plan": "a short name, for example ehcp_timeliness",
    "version": "a version in quotation marks, for example “1”",
    "title": "a title for readers",
    "question": "the question in one sentence",
    "reform": "a reform of the catalogue",
    "outcomes": "a list of outcomes of the catalogue",
    "window": "the first and the last period",
    "estimators": "a list of estimators",
    "headline": "which estimator and clustering make the headline",
}
OPTIONAL = (
    "unit",
    "start",
    "covariates",
    "intensity",
    "comparison",
    "weights",
    "clusters",
    "inference",
    "level",
    "smallest_effect",
    "margins",
    "placebo_outcomes",
    "co_interventions",
    "looks",
    "costs",
    "note",
)


class PlanError(UserError):
    """A plan that cannot be used: the message says which key, what is wrong and what may stand there."""


@dataclass(frozen=True)
class EstimatorChoice:
    """One estimator with the options that the plan gives it."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """Who compares: all other authorities, or a part of them; those left out are taken off.

    `same_regions`: of the regions of those with the reform; `statistical_neighbours`: the ten most like each of these;
    `not_bordering`: all but those that border on one of these; `not_yet_adopters`: none but those that start later;
    `programme_only`: the programme's own; `as_catalogue`: those that the reform's collection names.
    """

    authorities: str = "all_others"
    leave_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Headline:
    """The estimator whose overall effect is the headline, and the clustering of the errors that stand beside it."""

    estimator: str
    cluster: str


@dataclass(frozen=True)
class Resampling:
    """How many draws the resampling methods take, and from which seed."""

    draws: int = 9999
    seed: int = 20230919


@dataclass(frozen=True)
class Looks:
    """How often the question is looked at in all, and which look this is; the error is spent over all of them."""

    planned: int
    look: int


@dataclass(frozen=True)
class Costs:
    """What the reform cost: spend in a collection's returns, or pounds for each authority and period with the reform."""

    collection: str = ""
    reform: str = ""
    cost: float | None = None
    std_error: float = 0.0


@dataclass(frozen=True)
class Plan:
    """A plan.

    Attributes:
        plan, version, title, question, note: its name, version and words for readers.
        reform: id of a reform in the catalogue.
        outcomes: ids of outcomes in the catalogue, all of one kind of period.
        first, last: the first and last period looked at.
        unit: who is observed: authorities, or the schools of a collection that returns figures by school.
        start: the first treated period is the first full one after the start, or the one that contains it.
        covariates: outcomes of the catalogue, as they stood before the start, that estimators with covariates take into account.
        intensity: what estimators of a reform that goes on and off see: 1 while it is on, or the register's intensity.
        comparison: who compares.
        weights: `none` (every authority counts the same) or `denominator`.
        estimators: what is estimated, in the plan's order.
        clusters: clusterings that are reported, the headline's among them.
        headline: what makes the headline.
        inference: draws and seed of everything that is drawn.
        level: of the intervals, between 0 and 1.
        smallest_effect: smallest effect that matters by outcome; where there is none the catalogue's.
        margins: for guardrails, the harm that would still be borne, by outcome; where there is none the smallest effect.
        placebo_outcomes: outcomes that the reform cannot move: an effect on them speaks against the comparison.
        co_interventions: codes of the authorities that are in another programme, by its name.
        looks: planned looks and this one; None where there is one look only.
        costs: what the reform cost; None where the plan does not ask.
        text: the YAML as written.
        digest: SHA-256 of its content, whatever its layout and comments.
    """

    plan: str
    version: str
    title: str
    question: str
    reform: str
    outcomes: tuple[str, ...]
    first: str
    last: str
    unit: str
    start: str
    covariates: tuple[str, ...]
    intensity: str
    comparison: Comparison
    weights: str
    estimators: tuple[EstimatorChoice, ...]
    clusters: tuple[str, ...]
    headline: Headline
    inference: Resampling
    level: float
    smallest_effect: Mapping[str, float]
    margins: Mapping[str, float]
    placebo_outcomes: tuple[str, ...]
    co_interventions: Mapping[str, tuple[str, ...]]
    looks: Looks | None
    costs: Costs | None
    note: str
    text: str
    digest: str

    @property
    def periods(self) -> list[str]:
        """The periods of the window, in order."""
        return between(self.first, self.last)

    @property
    def headline_choice(self) -> EstimatorChoice:
        """The estimator of the headline, with its options."""
        return next(one for one in self.estimators if one.name == self.headline.estimator)

    def smallest(self, name: str) -> float | None:
        """The smallest effect that matters for one outcome, or None where nobody has said."""
        return self.smallest_effect.get(name, outcome(name).smallest_effect)

    def margin(self, name: str) -> float | None:
        """The harm to an outcome that would still be borne, or None where nobody has said."""
        return self.margins.get(name, self.smallest(name))


def load_plan(text: str) -> Plan:
    """Read a plan.

    Args:
        text: the YAML document.

    Raises:
        PlanError: what is wrong, at which key, and what may stand there.
    """
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise PlanError(f"The plan is not YAML that can be read: {error}. Look at that line; indent with spaces.") from error
    if not isinstance(document, dict):
        raise PlanError("The plan is empty or no list of keys. Begin with one of the plans that ship with the platform.")
    _check_keys(document)
    try:
        return _plan(document, text)
    except (CatalogueError, PeriodError, PanelError) as error:
        raise PlanError(f"The plan “{document['plan']}” cannot be used: {error}") from error


def changed(plan: Plan, changes: Mapping[str, Any]) -> Plan:
    """A plan with other values under some keys; a point leads to a key within a key (`comparison.authorities`).

    Raises:
        PlanError: a key leads nowhere, or the plan with the changes cannot be used.
    """
    document = yaml.safe_load(plan.text)
    for key, value in changes.items():
        *way, last = key.split(".")
        place = document
        for step in way:
            place = place.setdefault(step, {}) if isinstance(place, dict) else None
        if not isinstance(place, dict):
            raise PlanError(f"There is no place “{key}” in the plan “{plan.plan}”: “{way[-1]}” holds no keys of its own.")
        place[last] = value
    return load_plan(yaml.safe_dump(document, sort_keys=False, allow_unicode=True))


def _check_keys(document: dict[str, Any]) -> None:
    for key, words in KEYS.items():
        if document.get(key) in (None, "", [], {}):
            raise PlanError(f"The plan has no {key}. Add {key}: {words}.")
    unknown = sorted(set(map(str, document)) - set(KEYS) - set(OPTIONAL))
    if unknown:
        raise PlanError(f"The plan has the unknown key “{unknown[0]}”. The keys are: {', '.join([*KEYS, *OPTIONAL])}.")


def _plan(document: dict[str, Any], text: str) -> Plan:
    window = _mapping(document, "window", ("first", "last"))
    headline = Headline(**_mapping(document, "headline", ("estimator", "cluster")))
    clusters = tuple(_choice("clusters", one, CLUSTERS) for one in document.get("clusters", CLUSTERS))
    choices = tuple(_estimator(entry) for entry in _list(document, "estimators"))
    outcomes = tuple(outcome(str(one)).id for one in _list(document, "outcomes"))
    plan = Plan(
        plan=str(document["plan"]),
        version=str(document["version"]),
        title=str(document["title"]),
        question=" ".join(str(document["question"]).split()),
        reform=reform(str(document["reform"])).id,
        outcomes=outcomes,
        first=str(parse(str(window["first"]))),
        last=str(parse(str(window["last"]))),
        unit=_choice("unit", document.get("unit", UNITS[0]), UNITS),
        start=_choice("start", document.get("start", STARTS[0]), STARTS),
        covariates=tuple(outcome(str(one)).id for one in document.get("covariates") or ()),
        intensity=_choice("intensity", document.get("intensity", INTENSITIES[0]), INTENSITIES),
        comparison=_comparison(document.get("comparison", {})),
        weights=_choice("weights", document.get("weights", "none"), WEIGHTS),
        estimators=choices,
        clusters=clusters,
        headline=headline,
        inference=_resampling(document.get("inference", {})),
        level=_level(document.get("level", 0.95)),
        smallest_effect=_sizes("smallest_effect", document.get("smallest_effect", {}), outcomes),
        margins=_sizes("margins", document.get("margins", {}), outcomes),
        placebo_outcomes=tuple(outcome(str(one)).id for one in document.get("placebo_outcomes") or ()),
        co_interventions=_co_interventions(document.get("co_interventions", {})),
        looks=_looks(document.get("looks")),
        costs=_costs(document.get("costs"), str(document["reform"])),
        note=" ".join(str(document.get("note", "")).split()),
        text=text,
        digest=hashlib.sha256(canonical_json(document).encode()).hexdigest(),
    )
    _check_together(plan)
    return plan


def _check_together(plan: Plan) -> None:
    kind = parse(plan.first).kind
    for name in (*plan.outcomes, *plan.covariates, *plan.placebo_outcomes):
        if outcome(name).frequency != kind:
            raise PlanError(
                f"The outcome “{name}” comes by {outcome(name).frequency}, but the window is in {kind}s. Change one of them."
            )
    if len(plan.periods) < 2:
        raise PlanError("The window has one period only. A change needs at least two.")
    names = [choice.name for choice in plan.estimators]
    if plan.headline.estimator not in names:
        raise PlanError(f"The headline's estimator “{plan.headline.estimator}” is not among the plan's: {', '.join(names)}.")
    if plan.headline.cluster not in plan.clusters:
        raise PlanError(f"The headline's cluster “{plan.headline.cluster}” is not among the plan's: {', '.join(plan.clusters)}.")


def _choice(key: str, value: Any, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise PlanError(f"{key} cannot be “{value}”. It is one of: {', '.join(choices)}.")
    return str(value)


def _list(document: dict[str, Any], key: str) -> list[Any]:
    if not isinstance(document[key], list):
        raise PlanError(f"{key} must be a list: write each on a line of its own, after a hyphen.")
    if len({canonical_json(one) for one in document[key]}) < len(document[key]):
        raise PlanError(f"{key} names something twice. Name each once.")
    return list(document[key])


def _mapping(document: dict[str, Any], key: str, names: tuple[str, ...]) -> dict[str, str]:
    value = document[key]
    if not isinstance(value, dict) or set(value) != set(names):
        raise PlanError(f"{key} must have {' and '.join(names)}, and nothing else.")
    return {name: str(value[name]) for name in names}


def _estimator(entry: Any) -> EstimatorChoice:
    if isinstance(entry, str):
        entry = {"name": entry}
    if not isinstance(entry, dict) or "name" not in entry or set(entry) - {"name", "options"}:
        raise PlanError(
            f"Each of the estimators has a name and, if need be, options. The estimators are: {', '.join(ESTIMATORS)}."
        )
    options = dict(entry.get("options") or {})
    check_options(str(entry["name"]), options)
    return EstimatorChoice(str(entry["name"]), options)


def _comparison(entry: Any) -> Comparison:
    if not isinstance(entry, dict) or set(entry) - {"authorities", "leave_out"}:
        raise PlanError("comparison has the keys authorities and leave_out, and nothing else.")
    codes = tuple(str(code) for code in entry.get("leave_out") or ())
    _check_codes("comparison leaves out", codes)
    return Comparison(_choice("comparison: authorities", entry.get("authorities", COMPARISONS[0]), COMPARISONS), codes)


def _check_codes(words: str, codes: tuple[str, ...]) -> None:
    known = set(authorities()["authority"])
    for code in codes:
        if code not in known:
            raise PlanError(f"{words} “{code}”, which is no code of a local authority in England.")


def _co_interventions(entry: Any) -> dict[str, tuple[str, ...]]:
    if not isinstance(entry, dict) or not all(isinstance(codes, list) for codes in entry.values()):
        raise PlanError("co_interventions gives a list of codes for a programme, for example {Safety Valve: [E08000002]}.")
    found = {str(name): tuple(str(code) for code in codes) for name, codes in entry.items()}
    for name, codes in found.items():
        _check_codes(f"co_interventions: {name} names", codes)
    return found


def _level(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
        raise PlanError(f"level cannot be “{value}”. Write a number between 0 and 1, for example 0.95.")
    return float(value)


def _sizes(key: str, entry: Any, outcomes: tuple[str, ...]) -> dict[str, float]:
    if not isinstance(entry, dict):
        raise PlanError(f"{key} gives a number for an outcome, for example {{timeliness_20_weeks: 5}}.")
    for name, value in entry.items():
        if name not in outcomes:
            raise PlanError(f"{key} names “{name}”, which is no outcome of the plan: {', '.join(outcomes)}.")
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            raise PlanError(f"{key} of {name} cannot be “{value}”. Write a number above 0.")
    return {str(name): float(value) for name, value in entry.items()}


def _whole(key: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise PlanError(f"{key} cannot be “{value}”. Write a whole number of {least} or more.")
    return value


def _resampling(entry: Any) -> Resampling:
    if not isinstance(entry, dict) or set(entry) - {"draws", "seed"}:
        raise PlanError("inference has the keys draws and seed, and nothing else.")
    draws = _whole("inference: draws", entry.get("draws", Resampling.draws), 99)
    return Resampling(draws, _whole("inference: seed", entry.get("seed", Resampling.seed), 0))


def _costs(entry: Any, own: str) -> Costs | None:
    if entry is None:
        return None
    if isinstance(entry, dict) and "collection" in entry and not set(entry) - {"collection", "reform"}:
        collection = _choice("costs: collection", entry["collection"], COST_COLLECTIONS)
        return Costs(collection, reform(str(entry.get("reform", own))).id)
    if not isinstance(entry, dict) or "cost" not in entry or set(entry) - {"cost", "std_error"}:
        raise PlanError(
            "costs has a collection and its reform, {collection: programme_costs, reform: digital_ehcp}, or pounds for each "
            "authority and period with the reform and their standard error, {cost: 12000, std_error: 900}."
        )
    for key in ("cost", "std_error"):
        value = entry.get(key, 0)
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise PlanError(f"costs: {key} cannot be “{value}”. Write a number of 0 or more.")
    return Costs(cost=float(entry["cost"]), std_error=float(entry.get("std_error", 0)))


def _looks(entry: Any) -> Looks | None:
    if entry is None:
        return None
    if not isinstance(entry, dict) or set(entry) != {"planned", "look"}:
        raise PlanError("looks must have planned and look, and nothing else, for example {planned: 5, look: 2}.")
    planned = _whole("looks: planned", entry["planned"], 1)
    look = _whole("looks: look", entry["look"], 1)
    if look > planned:
        raise PlanError(f"looks: look {look} comes after the last of the {planned} planned. Plan more looks, in a new version.")
    return Looks(planned, look)
