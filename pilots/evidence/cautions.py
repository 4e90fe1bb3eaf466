"""What a reader must know beside a number: breaks, gameable measures, missing returns, stops, notices."""

from typing import Any

from evaluation import NotEstimable, Result
from pilots.catalogue import Outcome, outcome
from pilots.figures import SCHOOL
from pilots.panels import Question
from pilots.periods import CALENDAR, parse
from pilots.places import called
from pilots.plans import Plan
from pilots.wording import WARNING_TEXTS, listed

MOST_NAMED = 6  # more authorities with gaps than these are counted, not named


def _mark(symbol: str) -> str:
    """What stands in the place of a figure, for a reader."""
    return {"": "", "?": " (not usable)"}.get(symbol, f" (“{symbol}”)")


def warnings_of(plan: Plan, about: Outcome, asked: Question, overall: Result | NotEstimable) -> list[dict[str, str]]:
    """What a reader must know beside the number: kind and text, the gravest first."""
    panel, made = asked.panel, []

    def add(kind: str, /, **words: Any) -> None:
        made.append({"kind": kind, "text": WARNING_TEXTS[kind].format(**words)})

    inside = {parse(str(period)) for period in panel.periods}
    for one in about.breaks:
        when = parse(one.period)
        if any(period < when for period in inside) and any(not period < when for period in inside):
            add("series_break", period=when.label, text=one.text)
    if about.gameable_twin:
        twin = outcome(about.gameable_twin)
        add("gameable", text=about.gameable, twin=twin.label)
    lacking = sorted({code for code, _, _ in asked.gaps})
    if len(lacking) > MOST_NAMED:
        who = "schools" if plan.unit == SCHOOL else "authorities"
        add("missing_authorities", who=who, count=len(lacking), treated=len(asked.treated), cells=len(asked.gaps))
    for code in lacking if len(lacking) <= MOST_NAMED else ():
        periods = [f"{when}{_mark(symbol)}" for who, when, symbol in asked.gaps if who == code]
        add("missing_authority", name=called(code), periods=listed(periods))
    if asked.stopped:
        who = listed([f"{called(code)} (from {period})" for code, period in asked.stopped])
        add("stopped", count=len(asked.stopped), who=who)
    if plan.start == "first_full_period":
        add("partial_period", kind="calendar year" if about.frequency == CALENDAR else about.frequency)
    made += [{"kind": "notice", "text": text} for text in asked.notices]
    if isinstance(overall, Result):
        made += [{"kind": "estimator", "text": text} for text in overall.warnings if text not in asked.notices]
    return made
