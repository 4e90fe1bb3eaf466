"""Returns of the programme's other systems: for the authorities and terms that send them, drawn from shares with known effects.

They are sent for fewer terms than those on plans and alternative provision: enough for the question that is asked of each.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from data_contracts import load_contract
from pilots.demonstration.design import intended_effect, places, reform_starts, terms, time_on
from pilots.demonstration.files import Table
from pilots.demonstration.levels import SHARES, stream, untreated, volumes, with_effect
from pilots.demonstration.process import Shares
from pilots.demonstration.rows import YEARS, Grid, grid, table_of
from pilots.periods import parse

LATE = tuple(range(12, 17))  # from autumn 2023, before anything starts, to spring 2025
EIGHT = tuple(range(9, 17))  # long enough for a trend of its own
FAIR_REGIONS = ("E12000001", "E12000005", "E12000007")
TASKFORCE_REGIONS = ("E12000001", "E12000002", "E12000003", "E12000005", "E12000007", "E12000008")

ROLES = (
    "speech_and_language",
    "mental_health",
    "post_16_transition",
    "youth_work",
    "educational_psychology",
    "family_support",
    "youth_justice",
    "social_work",
)

# The shares that each collection draws its counts from.
DRAWN: dict[str, tuple[str, ...]] = {
    "tailored_lists": ("preference_met", "section_i_appeals", "independent_named"),
    "mediation_appeals": ("appeals", "agreed"),
    "experience_survey": ("help_in_time", "survey_response", "services_together"),
    "ap_taskforce": ("ap_absence", "ap_destinations"),
    "fair_access": ("days_out", "fair_refused", "home_educated"),
    "inclusion_indicators": (
        "on_time_reviews",
        "plans_mainstream",
        "plans_independent_special",
        "pupils_with_support",
        "absence_with_support",
        "absence_with_plan",
        "suspended_with_support",
        "in_alternative_provision",
    ),
}
# Every number of the demonstration's random numbers is its own: 101 to 104 are taken by the first two collections.
_NUMBERS = {
    name: 110 + at for at, name in enumerate([*DRAWN, "places", "standards_adoption", "senco_training", "inclusion_plans"])
}


def shares(seed: int) -> dict[str, Shares]:
    """True shares of each collection of `DRAWN`, without and with the reforms."""
    found = {}
    for collection, names in DRAWN.items():
        without = {name: untreated(seed, name) for name in names}
        actual = {name: with_effect(value, intended_effect(name), SHARES[name].high) for name, value in without.items()}
        found[collection] = Shares(without, actual)
    return found


def tables(seed: int, true: Mapping[str, Shares]) -> dict[str, Table]:
    """Every collection's rows, by its name."""
    drawn = {name: make(seed, true[name].actual) for name, make in DRAWN_TABLES.items()}
    return drawn | {name: make(seed) for name, make in PLAIN_TABLES.items()}


@dataclass(frozen=True)
class _Draw:
    """What a collection is drawn with: random numbers, rows' places, true shares and expected requests at each row."""

    rng: np.random.Generator
    at: Grid
    true: Mapping[str, np.ndarray]
    size: np.ndarray

    def share(self, name: str) -> np.ndarray:
        """A true share at each row."""
        return np.asarray(self.true[name][self.at.authority, self.at.term])

    def part(self, whole: np.ndarray, share: np.ndarray | float) -> np.ndarray:
        """A part of a whole."""
        return np.asarray(self.rng.binomial(whole, np.clip(share, 0, 1)))


def ap_schools(authority: np.ndarray, school: np.ndarray | int = 0) -> np.ndarray:
    """The URNs of AP schools by the numbers of their authority and of themselves there; the first has the taskforce."""
    return (900100 + 2 * authority + school).astype(str).astype(object)


def _drawn(seed: int, collection: str, at: Grid, true: Mapping[str, np.ndarray]) -> _Draw:
    return _Draw(stream(seed, _NUMBERS[collection]), at, true, volumes(seed)[at.authority, at.term])


def tailored_lists(seed: int, true: Mapping[str, np.ndarray]) -> Table:
    """Three rows an authority and term, by eligibility for free school meals; lists are offered where the reform is on."""
    at = grid(LATE, ("yes", "no", "unknown"))
    draw = _drawn(seed, "tailored_lists", at, true)
    finalised = draw.rng.poisson(draw.size * 0.62 * np.array([0.30, 0.65, 0.05])[at.kind]) + 1
    offered = np.where(time_on("tailored_lists")[at.authority, at.term] >= 0, draw.part(finalised, 0.6), 0)
    one = draw.part(offered, 0.04)
    settings = 4 * offered - 3 * one
    named = draw.part(offered, 0.8)
    return table_of(
        "tailored_lists",
        at,
        {
            "fsm": at.names,
            "plans_finalised": finalised,
            "lists_offered": offered,
            "settings_on_lists": settings,
            "independent_on_lists": draw.part(settings, 0.15),
            "lists_of_one": one,
            "preference_on_list": draw.part(offered, 0.85),
            "named_on_list": named,
            "preference_named": draw.part(finalised, draw.share("preference_met")),
            "independent_named": draw.part(finalised, draw.share("independent_named")),
            "list_cost": 180 * offered,
            "section_i_appeals": draw.part(finalised, draw.share("section_i_appeals")),
        },
    )


def mediation_appeals(seed: int, true: Mapping[str, np.ndarray]) -> Table:
    """One row an authority and term. Strengthened mediation has no effect on appeals: that is its known truth."""
    at = grid(LATE)
    draw = _drawn(seed, "mediation_appeals", at, true)
    plans = np.round(18 * draw.size).astype(int) + 20
    decisions = draw.rng.poisson(1.6 * draw.size) + 5
    certificates = draw.part(decisions, 0.12)
    offered = draw.part(certificates, 0.7)
    held = draw.part(offered, 0.6)
    agreed = draw.part(held, draw.share("agreed"))
    again, other = draw.part(agreed, 0.08), draw.part(held - agreed, 0.5)
    days = np.round(np.clip(26 + 3 * draw.rng.standard_normal(len(held)), 8, 55), 1)
    return table_of(
        "mediation_appeals",
        at,
        {
            "plans_held": plans,
            "appealable_decisions": decisions,
            "certificates": certificates,
            "mediations_offered": offered,
            "mediations_held": held,
            "mediations_agreed": agreed,
            "agreed_to_tribunal": again,
            "held_to_tribunal": again + other,
            "appeals_registered": draw.part(decisions, draw.share("appeals")),
            "average_days": np.where(held > 0, days, np.nan),
        },
    )


def fair_access(seed: int, true: Mapping[str, np.ndarray]) -> Table:
    """One row an authority and term, from three regions that begin at once; nobody compares."""
    at = grid(EIGHT, regions=FAIR_REGIONS)
    draw = _drawn(seed, "fair_access", at, true)
    decided = draw.rng.poisson(0.25 * draw.size) + 4
    refused = draw.part(decided, draw.share("fair_refused"))
    home = draw.part(decided - refused, draw.share("home_educated"))
    admitted = np.maximum(decided - refused - home - draw.part(decided - refused - home, 0.04), 1)
    other = decided - refused - admitted
    home = np.minimum(home, np.maximum(other, 0))
    admitted, other = np.where(other < 0, admitted - 1, admitted), np.maximum(other, 0)
    refused = decided - admitted - other
    requested = draw.part(refused, 0.4)
    made, schools = draw.part(requested, 0.6), np.full(len(decided), 60)
    receiving = np.clip(np.ceil(0.55 * (admitted + made)), (admitted > 0).astype(int), 60).astype(int)
    return table_of(
        "fair_access",
        at,
        {
            "referrals": decided + draw.rng.poisson(1.0, len(decided)),
            "decided": decided,
            "admitted": admitted,
            "refused": refused,
            "other_outcome": other,
            "home_educated": home,
            "directions_requested": requested,
            "directions_made": made,
            "days_out_of_school": np.where(admitted + made > 0, np.round(100 * draw.share("days_out"), 1), np.nan),
            "schools_receiving": receiving,
            "schools_in_area": schools,
        },
    )


def inclusion_indicators(seed: int, true: Mapping[str, np.ndarray]) -> Table:
    """Ten rows an authority and term: count, out of how many, and the rate."""
    names = {
        "requests refused": (1.0, "refused"),
        "plans within 20 weeks": (0.62, "within"),
        "annual reviews on time": (6.0, "on_time_reviews"),
        "plans in mainstream": (18.0, "plans_mainstream"),
        "plans in independent special": (18.0, "plans_independent_special"),
        "pupils with support": (180.0, "pupils_with_support"),
        "absence with support": (2400.0, "absence_with_support"),
        "absence with plan": (1500.0, "absence_with_plan"),
        "suspended with support": (24.0, "suspended_with_support"),
        "in alternative provision": (180.0, "in_alternative_provision"),
    }
    at = grid(LATE, tuple(names))
    every = {**true, "refused": untreated(seed, "refused"), "within": untreated(seed, "within_20_weeks")}
    draw = _drawn(seed, "inclusion_indicators", at, every)
    factors = np.array([factor for factor, _ in names.values()])
    stacked = np.stack([every[share] for _, share in names.values()])
    whole = np.round(factors[at.kind] * draw.size).astype(int) + 8
    part = draw.part(whole, stacked[at.kind, at.authority, at.term])
    cells = {"indicator": at.names, "numerator": part, "denominator": whole, "value": np.round(100 * part / whole, 1)}
    return table_of("inclusion_indicators", at, {**cells, "symbol": np.full(len(part), "", dtype=object)})


QUESTIONS = (
    "needs were found early",
    "we were part of decisions",
    "help came in time",
    "information was clear",
    "services worked together",
    "confident in the support",
)


def experience_survey(seed: int, true: Mapping[str, np.ndarray]) -> Table:
    """Six questions to parents and carers of each authority and term."""
    at = grid(LATE, QUESTIONS)
    draw = _drawn(seed, "experience_survey", at, true)
    invited = np.round(2.5 * volumes(seed)[at.authority, 12]).astype(int) + 60
    answered = np.maximum(draw.part(invited, draw.share("survey_response")), 5)
    share = np.array([0.38, 0.50, 0.0, 0.52, 0.0, 0.45])[at.kind]
    for question, name in (("help came in time", "help_in_time"), ("services worked together", "services_together")):
        share = np.where(at.kind == QUESTIONS.index(question), draw.share(name), share)
    respondent = np.full(len(invited), "parents and carers", dtype=object)
    cells = {"respondent": respondent, "question": at.names, "invited": invited, "answered": answered}
    return table_of("experience_survey", at, {**cells, "agree": draw.part(answered, share)})


def ap_taskforce(seed: int, true: Mapping[str, np.ndarray]) -> Table:
    """Two AP schools an authority in six regions: the larger one gets the taskforce, the other is as it would be without."""
    at = grid(LATE, regions=TASKFORCE_REGIONS, each=2)
    draw = _drawn(seed, "ap_taskforce", at, true)
    large = at.school == 0
    on = large & (time_on("ap_taskforce")[at.authority, at.term] >= 0)
    roll = draw.rng.poisson(60 + at.authority % 90 - 25 * ~large) + 5
    possible, leavers = 120 * roll, np.round(0.28 * roll).astype(int)
    cells: dict[str, np.ndarray] = {"school_urn": ap_schools(at.authority, at.school), "pupils_on_roll": roll}
    fte = dict.fromkeys(ROLES, 0.0) | {"speech_and_language": 0.4, "mental_health": 0.6, "post_16_transition": 0.5}
    fte |= {"youth_work": 0.4, "family_support": 0.6}
    for name in ROLES:
        cells[f"fte_{name}"] = np.where(on, fte[name], 0.0)
    cells["days_on_site"] = np.where(on, 4.0, 0.0)
    cells["in_fidelity"] = on.astype(int)
    cells["pupils_supported"] = np.where(on, draw.part(roll, 0.45), 0)
    cells["cost"] = np.where(on, 42000, 0)
    cells["sessions_possible"] = possible
    absent, onward = (
        np.where(large, draw.share(name), untreated(seed, name)[at.authority, at.term]) for name in DRAWN["ap_taskforce"]
    )
    cells["sessions_absent"] = draw.part(possible, absent)
    cells["leavers"] = leavers
    cells["leavers_in_education_or_work"] = draw.part(leavers, onward)
    return table_of("ap_taskforce", at, cells)


def standards_adoption(seed: int) -> Table:
    """Two schools of each authority of the programme at seven standards each; a few are trained before the standards come."""
    standards = next(one for one in load_contract("standards_adoption").columns if one.name == "standard").choices
    at = grid(LATE, tuple(standards), partners=True, each=2)
    since, rng = time_on("national_standards")[at.authority, at.term], stream(seed, _NUMBERS["standards_adoption"])
    stage = np.clip(since + 1, 0, 2) + ((since >= 1) & (at.kind < 3))
    staff = 40 + at.authority % 30
    before = np.cumsum(rng.uniform(0.005, 0.03, (len(places().codes), max(LATE) + 1)), axis=1) / 2  # some are trained anyway
    share = before[at.authority, at.term] + np.choose(stage, (0.0, 0.2, 0.4, 0.75))
    urn = np.array([f"{910000 + 10 * row + school}" for row, school in zip(at.authority, at.school, strict=True)], dtype=object)
    cells = {"school_urn": urn, "standard": at.names, "stage": stage, "staff_trained": np.round(share * staff).astype(int)}
    return table_of("standards_adoption", at, {**cells, "staff_total": staff, "guide_in_use": (stage > 1).astype(int)})


def senco_training(seed: int) -> Table:
    """Two courses of each authority and term; who leaves early and which posts are vacant does not depend on the reform."""
    at = grid(LATE, ("SENCo NPQ", "early years level 3"))
    draw = _drawn(seed, "senco_training", at, {})
    registered = draw.rng.poisson(0.06 * draw.size + 4) + 2
    completed = draw.part(registered, 0.3)
    settings = 30 + np.round(0.5 * volumes(seed)[at.authority, 12]).astype(int)
    cells = {"course": at.names, "registered": registered, "completed": completed}
    cells["left_early"] = draw.part(registered - completed, 0.03)
    trained = draw.part(settings, 0.5)
    return table_of(
        "senco_training",
        at,
        {**cells, "settings": settings, "settings_trained": trained, "vacancies": draw.part(settings, 0.04)},
    )


def local_partnerships(seed: int) -> Table:
    """The partnerships' work in two terms; authorities outside the programme have none."""
    at = grid((15, 17))
    there = places().partner[at.authority]
    seats = {"education": 7, "health": 4, "social_care": 3, "families": 2 + at.authority % 2, "other": 1}
    cells = {f"seats_{name}": np.where(there, np.asarray(count), 0) for name, count in seats.items()}
    total = np.sum(np.stack(list(cells.values())), axis=0)
    meetings, opened = np.where(there, 2 + at.authority % 3, 0), np.where(there, 6 + at.authority % 7, 0)
    closed = opened // 2
    cells |= {"seats": total, "meetings": meetings, "attendances": (3 * total * meetings) // 4}
    cells |= {"joint_budget": np.where(there, 150000 + 25000 * (at.authority % 9), 0), "actions_opened": opened}
    return table_of("local_partnerships", at, {**cells, "actions_closed": closed, "actions_outstanding": 2 * (opened - closed)})


def places_table(seed: int) -> Table:
    """One project in each authority of the programme that opens it, and one cancelled in every fifth other authority."""
    starts = reform_starts("places")
    where = places()
    cancelled = {code for at, code in enumerate(where.codes) if not where.partner[at] and at % 5 == 0}
    at = grid((14, 17), only=(*starts, *cancelled))
    codes = [where.codes[row] for row in at.authority]
    opening = [terms().index(starts[code]) if code in starts else None for code in codes]
    is_open = np.array([first is not None and first <= term for first, term in zip(opening, at.term, strict=True)])
    ended = np.array([first is None for first in opening])
    status = np.where(ended, "cancelled", np.where(is_open, "open", "building")).astype(object)
    day = np.array([parse(starts[code]).start.isoformat() if code in starts else "" for code in codes], dtype=object)
    planned = 40 + at.authority % 40
    cells = {
        "project": np.array([f"FS{1000 + row:04d}" for row in at.authority], dtype=object),
        "kind": np.where(at.authority % 4 == 0, "AP free school", "special free school").astype(object),
        "status": status,
        "planned": planned,
        "opened": np.where(is_open, planned // 2, 0),
        "capacity": np.where(is_open, planned, 0),
        "roll": np.where(is_open, (4 * planned) // 5, 0),
        "planned_opening": day,
        "opened_on": np.where(is_open, day, "").astype(object),
    }
    return table_of("places", at, {**cells, "note": np.where(ended, "No site was found.", "").astype(object)})


def programme_costs(seed: int) -> Table:
    """Spend of each authority of the programme on three reforms in two terms."""
    spent = {"digital_ehcp": ("digital systems", 62000), "tailored_lists": ("staff", 28000), "ap_tiers": ("staff", 54000)}
    at = grid((15, 17), tuple(spent), partners=True)
    category = np.array([what for what, _ in spent.values()], dtype=object)[at.kind]
    spend = np.array([amount for _, amount in spent.values()])[at.kind] + 500 * (at.authority % 17)
    cells = {"reform": at.names, "category": category, "spend": spend, "funded_by_programme": (4 * spend) // 5}
    return table_of("programme_costs", at, cells)


def bands_tariffs(seed: int) -> Table:
    """Three bands of six types of setting in two financial years."""
    kinds = next(one for one in load_contract("bands_tariffs").columns if one.name == "setting_type").choices
    at = grid(YEARS["financial year"], tuple(f"{kind}|{band}" for kind in kinds for band in (1, 2, 3)), kind="financial year")
    tariff = np.array([7000, 12000, 20000, 48000, 18000, 9000])[at.kind // 3] + 6000 * (at.kind % 3)
    wanted = volumes(seed)[at.authority, 14] * np.array([1.4, 0.4, 1.1, 0.25, 0.15, 0.5])[at.kind // 3]
    count = np.round(wanted * np.array([0.5, 0.3, 0.2])[at.kind % 3] + 1 + 0.05 * at.year * wanted).astype(int)
    labels = [str(name).split("|") for name in at.names]
    cells = {"setting_type": np.array([one for one, _ in labels], dtype=object), "band": np.array([int(b) for _, b in labels])}
    basis = np.full(len(count), "shadow", dtype=object)
    return table_of(
        "bands_tariffs", at, {**cells, "tariff_basis": basis, "tariff": tariff, "places": count, "outturn": tariff * count}
    )


def inclusion_plans(seed: int) -> Table:
    """Plans of the programme's authorities, sent in two years: what the first version expects, and in the second what came.

    The first expects the year of the return and the next; needs turn out higher than expected more often than lower.
    """
    needs = next(one for one in load_contract("inclusion_plans").columns if one.name == "need").choices
    parts = ("1|0", "1|1", "2|0")  # version, and years from that of the return
    at = grid(
        YEARS["academic year"], tuple(f"{need}|{part}" for need in needs for part in parts), kind="academic year", partners=True
    )
    need, version, ahead = (
        np.array(column, dtype=object) for column in zip(*(str(one).split("|") for one in at.names), strict=True)
    )
    number, came = at.kind // len(parts), version == "2"
    year = at.year + ahead.astype(int)
    demand = 12 + 3 * number + at.authority % 11 + 2 * year
    off = stream(seed, _NUMBERS["inclusion_plans"]).integers(-2, 6, (len(places().codes), len(needs), 3))
    demand = demand + np.where(came, off[at.authority, number, year], 0)
    supply = demand - 1 - at.authority % 3 + at.year
    cells = {
        "plan_version": version.astype(int),
        "need": need,
        "plan_year": np.array(["2023/24", "2024/25", "2025/26"], dtype=object)[year],
        "basis": np.where(came, "actual", "forecast").astype(object),
        "demand": demand,
        "places": supply,
        "gap": demand - supply,
        "status": np.where(came, "submitted", "agreed").astype(object),
        "agreed_on": np.where(came, "", "2024-02-01").astype(object),
    }
    return table_of("inclusion_plans", at, cells)


def area_inspection(seed: int) -> Table:
    """Every seventh authority is inspected in one of the two years; the others have no event."""
    at = grid(YEARS["academic year"], kind="academic year")
    mine = at.authority % 14 == np.where(at.year == 0, 3, 10)
    day = np.where(at.year == 0, "2024-03-12", "2024-11-19").astype(object)
    grade = np.where(at.authority % 3 == 0, 3, 1 + at.authority % 2)
    cells = {
        "event": np.where(mine, "inspection", "no event").astype(object),
        "event_date": np.where(mine, day, "z").astype(object),
        "framework": np.where(mine, "2023", "none").astype(object),
        "outcome": np.where(mine, grade.astype(float), np.nan),
        "priority_action_plan": np.where(mine & (grade == 3), "yes", "no").astype(object),
    }
    constant = {
        name: np.full(len(mine), value, dtype=object)
        for name, value in (("improvement_notice", "no"), ("support_programme", "none"))
    }
    return table_of("area_inspection", at, {**cells, **constant})


DRAWN_TABLES: dict[str, Callable[[int, Mapping[str, np.ndarray]], Table]] = {
    "tailored_lists": tailored_lists,
    "mediation_appeals": mediation_appeals,
    "fair_access": fair_access,
    "inclusion_indicators": inclusion_indicators,
    "experience_survey": experience_survey,
    "ap_taskforce": ap_taskforce,
}
PLAIN_TABLES: dict[str, Callable[[int], Table]] = {
    "standards_adoption": standards_adoption,
    "senco_training": senco_training,
    "local_partnerships": local_partnerships,
    "places": places_table,
    "programme_costs": programme_costs,
    "bands_tariffs": bands_tariffs,
    "inclusion_plans": inclusion_plans,
    "area_inspection": area_inspection,
}
