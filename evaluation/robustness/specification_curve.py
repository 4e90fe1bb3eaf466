"""The specification curve: the effect under every declared choice, and where the plan's own stands among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from evaluation.errors import NotEstimable, OptionError
from evaluation.panel import Panel
from evaluation.robustness.refit import Ask, effect, one_outcome
from evaluation.robustness.row import Check, not_told, say
from evaluation.words import about

CHECK, ASKS = "specification_curve", "Would other reasonable choices have led elsewhere?"
ALPHA = 0.05
SAME_SIGN, STILL_SEEN, NARROW = 0.75, 0.5, 0.9  # shares below which there is serious, and some, concern


@dataclass(frozen=True, eq=False)
class Specification:
    """One declared choice.

    Attributes:
        choices: what was chosen, for a reader: {"estimator": "…", "comparison": "…"}; the same keys in all.
        panel: of one outcome.
        estimator: a key of `ESTIMATORS`.
        options: the estimator's own.
        plan: whether it is the plan's own.
    """

    choices: Mapping[str, str]
    panel: Panel
    estimator: str
    options: Mapping[str, Any] = field(default_factory=dict)
    plan: bool = False


def specification_curve(specifications: Sequence[Specification], ask: Ask) -> Check:
    """The effect under each choice, sorted by size.

    Args:
        specifications: the declared choices; one at most is the plan's own.
        ask: cluster, level and inference, the same for all; its estimator and options are not used.

    Returns:
        A `Check`: number is the share of estimates with the sign of the plan's (of the median, without one); rows have choices,
        estimate, lower, upper, p_value, plan, or choices and not_estimable.

    Raises:
        OptionError: none is given, their choices have different names, several are the plan's, or a panel has several outcomes.
    """
    _check(specifications)
    rows = [{"choices": dict(one.choices), "plan": one.plan, **_effect(one, ask)} for one in specifications]
    told = sorted((row for row in rows if row.get("estimate") is not None), key=lambda row: float(row["estimate"]))
    refused = [row for row in rows if row.get("estimate") is None]
    if not told:
        why = NotEstimable("none of the declared choices gives an estimate", "See the reason beside each.")
        return not_told(CHECK, ASKS, why, rows)
    return _summary(told, refused)


def _effect(one: Specification, ask: Ask) -> dict[str, Any]:
    return effect(one.panel, replace(ask, estimator=one.estimator, options=one.options))


def _check(specifications: Sequence[Specification]) -> None:
    if not specifications:
        raise OptionError("specification_curve needs at least one specification.")
    if sum(one.plan for one in specifications) > 1:
        raise OptionError("Several specifications are called the plan's own. Set plan=True on one.")
    first = list(specifications[0].choices)
    for one in specifications:
        one_outcome(one.panel, CHECK)
        if sorted(one.choices) != sorted(first):
            raise OptionError(f"All specifications must name the same choices: {sorted(one.choices)} is not {sorted(first)}.")


def _summary(told: list[dict[str, Any]], refused: list[dict[str, Any]]) -> Check:
    values = np.array([row["estimate"] for row in told])
    plan = next((row for row in told if row["plan"]), None)
    median = float(np.median(values))
    centre = plan["estimate"] if plan else median
    same = float((np.sign(values) == np.sign(centre)).mean())
    tested = [row for row in told if row["p_value"] is not None]
    seen = float(np.mean([row["p_value"] < ALPHA for row in tested])) if tested else None
    clear = "" if seen is None else f" and {about(seen)} are clear of chance"
    words = (
        f"Over {len(told)} declared choices the effect runs from {say(values[0])} to {say(values[-1])}, with {say(median)} in "
        f"the middle; {about(same)} have the same sign{clear}."
    )
    if plan:
        below = int((values < plan["estimate"]).sum())
        words += f" The plan’s own is {say(plan['estimate'])}, number {below + 1} of {len(told)} from the lowest."
    if refused:
        words += f" {len(refused)} more could not be estimated."
    concern = _concern(plan, same, seen, values, len(told))
    return Check(CHECK, ASKS, same, "share with the same sign", words, concern, (*told, *refused))


def _concern(plan: dict[str, Any] | None, same: float, seen: float | None, values: np.ndarray, count: int) -> str | None:
    """Serious where signs differ, or the plan's effect is seen under few other choices."""
    if count < 2:
        return None
    if plan is None or plan["p_value"] is None or seen is None:
        return "serious" if same < SAME_SIGN else "some" if same < NARROW else "none"
    found = plan["p_value"] < ALPHA
    agree = seen if found else 1 - seen
    if (found and same < SAME_SIGN) or agree < STILL_SEEN:
        return "serious"
    extreme = count > 4 and plan["estimate"] in (values[0], values[-1])
    return "some" if agree < NARROW or (found and same < NARROW) or extreme else "none"
