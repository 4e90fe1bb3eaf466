"""How far a number can be believed: 0 to 5 locks from the published rules in `rating.yaml`; see METHODS.md.

The rating speaks of belief in the number. Whether the reform is good is another question, which it leaves alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from math import isfinite
from typing import Any

import yaml

from evaluation.errors import OptionError, PanelError

CONDITIONS = ("at_least", "at_most", "is")
WORDS = ("id", "topic", "label", "about", "fact", "kept", "lost", "against", "source")
COSTS = ("cost", "unknown_cost")
OWN_TREND = ("interrupted_series",)  # nobody compares
# Not asked to agree: no comparison, an effect of another unit, or weights that may be negative.
APART = ("interrupted_series", "dose", "switchers", "two_way_fixed_effects")
FOUND = ("improved", "worsened", "changed")


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        id, topic, label: its name, its family, and its name for readers.
        about: what the number is.
        fact: path of the number in the facts, parts joined by dots.
        condition: `at_least`, `at_most` or `is`.
        threshold: what it is held against; True or False where the condition is `is`.
        cost: locks that it costs where it is not kept.
        unknown_cost: locks that it costs where the number is not known.
        kept, lost: the sentence for each; `{number}` and `{threshold}` are filled in.
        against: what stands against the number where the rule is lost, as a clause.
        source: where the rule comes from.
    """

    id: str
    topic: str
    label: str
    about: str
    fact: str
    condition: str
    threshold: float | bool
    cost: int
    unknown_cost: int
    kept: str
    lost: str
    against: str
    source: str

    def keeps(self, number: float | bool) -> bool:
        """Whether a number meets the condition; exactly at the threshold it does."""
        if self.condition == "is":
            return number is self.threshold
        return number >= self.threshold if self.condition == "at_least" else number <= self.threshold

    @property
    def needed(self) -> str:
        """The condition in words, such as "at least 1"."""
        return f"{'' if self.condition == 'is' else self.condition.replace('_', ' ') + ' '}{_words(self.threshold)}"


@dataclass(frozen=True)
class Rules:
    """All rules, in the order in which they are told, and how many locks there are."""

    version: str
    locks: int
    rules: tuple[Rule, ...]


@dataclass(frozen=True)
class Judged:
    """What one rule said.

    Attributes:
        rule, label, about: of the rule.
        number: what it looked at, or None where that is not known.
        threshold: what the rule needs, in words.
        cost: locks lost, 0 where it was kept.
        reason: one sentence.
        against: the clause that stands against the number; empty where the rule was kept or nothing is known.
        source: where the rule comes from.
    """

    rule: str
    label: str
    about: str
    number: float | bool | None
    threshold: str
    cost: int
    reason: str
    against: str
    source: str


@dataclass(frozen=True)
class Rating:
    """The rating.

    Attributes:
        locks: 0 to `of`.
        of: how many there are.
        version: of the rules.
        rules: one entry a rule, in the order of the rules' file.
    """

    locks: int
    of: int
    version: str
    rules: tuple[Judged, ...]

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain JSON."""
        return {**asdict(self), "rules": [asdict(one) for one in self.rules]}


@cache
def published_rules() -> Rules:
    """The rules that ship with the package."""
    return load_rules(files("evaluation").joinpath("rating.yaml").read_text(encoding="utf-8"))


def load_rules(text: str) -> Rules:
    """Read and check a file of rules.

    Args:
        text: the YAML document: version, locks and rules.

    Raises:
        OptionError: what is wrong, in which rule, and what may stand there.
    """
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise OptionError(f"The rating's rules are not YAML that can be read: {error}. Look at that line.") from error
    if not isinstance(document, dict) or set(document) != {"version", "locks", "rules"}:
        raise OptionError("The rating's rules need the keys version, locks and rules, and nothing else.")
    locks = document["locks"]
    if not _whole(locks) or locks < 1:
        raise OptionError(f"locks must be a whole number of 1 or more, not {locks!r}.")
    entries = document["rules"]
    if not isinstance(entries, list) or not entries:
        raise OptionError("rules must be a list with one rule or more.")
    rules = tuple(_rule(entry, at + 1, locks) for at, entry in enumerate(entries))
    twice = sorted({one.id for one in rules if sum(other.id == one.id for other in rules) > 1})
    if twice:
        raise OptionError(f"The rule {twice[0]!r} stands there twice. Give each rule an id of its own.")
    return Rules(str(document["version"]), locks, rules)


def _rule(entry: Any, at: int, locks: int) -> Rule:
    if not isinstance(entry, dict):
        raise OptionError(f"Rule number {at} is no list of keys. Write id, fact, a condition, costs and sentences.")
    name = f"Rule {entry.get('id', f'number {at}')!r}"
    conditions = [one for one in CONDITIONS if one in entry]
    if len(conditions) != 1:
        raise OptionError(f"{name} has {len(conditions)} conditions. Give it exactly one of: {', '.join(CONDITIONS)}.")
    condition = conditions[0]
    unknown = sorted(set(map(str, entry)) - {*WORDS, *COSTS, condition})
    if unknown:
        raise OptionError(f"{name} has the unknown key {unknown[0]!r}. The keys are: {', '.join((*WORDS, *COSTS, *CONDITIONS))}.")
    for key in WORDS:
        if not isinstance(entry.get(key), str) or not entry[key].strip():
            raise OptionError(f"{name} has no {key}, or one that is no text. Write a few words there.")
    for key in COSTS:
        if not _whole(entry.get(key)) or not 0 <= entry[key] <= locks:
            raise OptionError(f"{name}: {key} must be a whole number from 0 to {locks}, not {entry.get(key)!r}.")
    if entry["cost"] == 0:
        raise OptionError(f"{name} costs nothing where it is lost. Give it a cost of 1 or more, or leave it out.")
    _check_threshold(name, condition, entry[condition])
    rule = Rule(condition=condition, threshold=entry[condition], **{key: entry[key] for key in (*WORDS, *COSTS)})
    for key in ("kept", "lost"):
        _sentence(rule, key, entry[condition])
    return rule


def _check_threshold(name: str, condition: str, value: Any) -> None:
    if condition == "is":
        if not isinstance(value, bool):
            raise OptionError(f"{name}: `is` must be true or false, not {value!r}. For a number use at_least or at_most.")
    elif isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise OptionError(f"{name}: {condition} must be a number, not {value!r}.")


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def rate(facts: Mapping[str, Any], rules: Rules | None = None) -> Rating:
    """Rate a number by the rules.

    Args:
        facts: nested mapping; each rule's `fact` is a path in it. A fact is a number, True or False. None, a missing key, NaN,
            or a mapping with `not_estimable` (reason, remedy) where the number would stand, mean that it is not known.
        rules: other rules than the published ones.

    Returns:
        The locks left after what each rule costs, never fewer than 0, with one reason a rule.

    Raises:
        PanelError: a fact is of another kind than its rule needs.
    """
    used = rules or published_rules()
    judged = tuple(_judge(rule, facts) for rule in used.rules)
    locks = max(0, used.locks - sum(one.cost for one in judged))
    return Rating(locks, used.locks, used.version, judged)


def _judge(rule: Rule, facts: Mapping[str, Any]) -> Judged:
    number, why = _look(rule, facts)
    if number is None:
        cost, reason = rule.unknown_cost, f"Not known: {why}."
    elif rule.keeps(number):
        cost, reason = 0, _sentence(rule, "kept", number)
    else:
        cost, reason = rule.cost, _sentence(rule, "lost", number)
    against = rule.against if cost and number is not None else ""
    return Judged(rule.id, rule.label, rule.about, number, rule.needed, cost, reason, against, rule.source)


def _look(rule: Rule, facts: Mapping[str, Any]) -> tuple[float | bool | None, str]:
    """The number that a rule looks at, or None and why it is not known."""
    missing = f"{rule.about[0].lower()}{rule.about[1:]}"
    value: Any = facts
    for part in rule.fact.split("."):
        if isinstance(value, Mapping) and isinstance(value.get("not_estimable"), Mapping):
            break
        value = value.get(part) if isinstance(value, Mapping) else None
    if isinstance(value, Mapping) and isinstance(value.get("not_estimable"), Mapping):
        reason = str(value["not_estimable"].get("reason", "")).strip().rstrip(".")
        return None, reason or missing
    if value is None:
        return None, missing
    if isinstance(value, bool) != (rule.condition == "is") or not isinstance(value, bool | int | float):
        needed = "True or False" if rule.condition == "is" else "a number"
        raise PanelError(f"The fact {rule.fact} must be {needed}, not {value!r}. Leave it out where it is not known.")
    return (value, "") if isfinite(value) else (None, missing)


def _sentence(rule: Rule, which: str, number: float | bool) -> str:
    try:
        return str(getattr(rule, which)).strip().format(number=_words(number), threshold=_words(rule.threshold))
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        raise OptionError(f"Rule {rule.id!r}: {which} may hold {{number}} and {{threshold}} only, in braces.") from error


def _words(number: float | bool) -> str:
    if isinstance(number, bool):
        return "yes" if number else "no"
    return f"{number:.2f}".rstrip("0").rstrip(".").replace("-", "\N{MINUS SIGN}")


def facts_of(document: Mapping[str, Any], planned: bool | None = None, by_lot: bool = False) -> dict[str, Any]:
    """The facts that the published rules look at, from the stored document of one question.

    Args:
        document: plain JSON of one question: headline, design, results, verdict, bounds, few_clusters, power, warnings …; parts
            that older runs lack are not known.
        planned: whether the plan was registered before its result could be seen; None where that is not known.
        by_lot: whether chance decided who has the reform, or when.
    """
    headline = document.get("headline") or {}
    has_interval = headline.get("lower") is not None and headline.get("upper") is not None and "not_estimable" not in headline
    design = document.get("design") or {}
    return {
        "estimate": {"interval": has_interval},
        "design": {"comparison": headline.get("estimator") not in OWN_TREND if design else None, "by_lot": by_lot},
        "few_clusters": _few_clusters(document.get("few_clusters")),
        "trends": {"breakdown": _breakdown(document)},
        "power": {"ratio": _power(document)},
        "agreement": {"distance": _distance(document) if has_interval else None},
        "returns": {"missing_percent": _missing(design), "series_breaks": _breaks(document)},
        "plan": {"registered": planned},
    }


def _few_clusters(found: Mapping[str, Any] | None) -> Mapping[str, Any]:
    if not found or found.get("not_estimable"):
        return found or {}
    return {"available": found.get("p_value") is not None, "fragile": found.get("fragile")}


def _breakdown(document: Mapping[str, Any]) -> Any:
    """The drift at which the finding falls; a null with power falls where the bounds reach an effect that matters."""
    bounds, kind = document.get("bounds"), (document.get("verdict") or {}).get("kind")
    if not bounds:
        return None
    if bounds.get("not_estimable"):
        return {"not_estimable": bounds["not_estimable"]}
    if kind in FOUND:
        return (bounds.get("breakdown") or {}).get("relative_magnitudes")
    if kind == "no_effect_as_large" and document.get("smallest_effect"):
        rows = [{"value": 0.0, **bounds["original"]}, *bounds["relative_magnitudes"]]
        return _last_within(rows, float(document["smallest_effect"]))
    return {"not_estimable": {"reason": "nothing was found, and nothing ruled out, that a drift could overturn"}}


def _last_within(rows: Sequence[Mapping[str, Any]], smallest: float) -> float:
    """The largest drift up to which every interval lies inside ± the smallest effect that matters; 0 where none does."""
    last = 0.0
    for row in sorted(rows, key=lambda one: float(one["value"])):
        if row["lower"] is None or row["upper"] is None or not -smallest < row["lower"] <= row["upper"] < smallest:
            break
        last = float(row["value"])
    return last


def _power(document: Mapping[str, Any]) -> float | None:
    smallest = document.get("smallest_effect")
    detectable = (document.get("smallest_detectable_effect") or {}).get("value")
    if detectable is None:
        detectable = (document.get("power") or {}).get("detectable")
    return None if not smallest or detectable is None else float(detectable) / float(smallest)


def _distance(document: Mapping[str, Any]) -> float | None:
    """How far the farthest other estimator lies from the headline, in half-widths of the headline's interval on that side."""
    headline = document["headline"]
    middle, lower, upper = (float(headline[name]) for name in ("estimate", "lower", "upper"))
    distances = []
    for one in document.get("results") or []:
        apart = one["aggregate"] != "overall" or one["cluster"] != headline.get("cluster") or one["estimator"] in APART
        if apart or one["estimator"] == headline.get("estimator") or not one["rows"] or one["rows"][0]["estimate"] is None:
            continue
        away = float(one["rows"][0]["estimate"]) - middle
        side = upper - middle if away > 0 else middle - lower
        distances.append(abs(away) / side if side > 0 else float("inf") if away else 0.0)
    return max(distances) if distances else None


def _missing(design: Mapping[str, Any]) -> float | None:
    """Percent of the cells of authorities with the reform that have no figure."""
    if not design.get("treated_units") or not design.get("periods") or design.get("missing_treated_cells") is None:
        return None
    cells = design["treated_units"] * len(design["periods"]) - int(design.get("cells_after_stop") or 0)
    return 100.0 * float(design["missing_treated_cells"]) / cells if cells > 0 else None


def _breaks(document: Mapping[str, Any]) -> int | None:
    warnings = document.get("warnings")
    return None if warnings is None else sum(one["kind"] == "series_break" for one in warnings)
