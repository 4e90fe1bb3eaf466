"""A small programme of returns: three dozen of them, a register with two starts, a plan."""

from collections.abc import Callable
from typing import Any

import yaml

from pilots import register, releases, returns, runs
from pilots.access import APPROVER, EVALUATOR, LEAD, LOCAL_ADMINISTRATOR, Actor
from pilots.demonstration.build import demonstration_plans
from pilots.places import partnerships, region_names
from pilots.plans import Plan, load_plan
from pilots.storage import Store

EHCP, TERMS = "ehcp_process", ("2023/24 autumn", "2023/24 spring", "2023/24 summer", "2024/25 autumn")
LEAD_OF_ALL = Actor("local-lead", "Local lead", LEAD, tuple(region_names()))
APPROVER_OF_ALL = Actor("local-approver", "Local approver", APPROVER, tuple(region_names()))
RESEARCH = Actor("local-evaluator", "Local evaluator", EVALUATOR)


def plan(**changes: Any) -> Plan:
    wanted = {"plan": "own", "outcomes": ["termly_requests_refused"], "window": {"first": TERMS[0], "last": TERMS[-1]}}
    shipped = next(one for one in demonstration_plans() if one.plan == "digital_ehcp")
    estimators = [{"name": "group_time", "options": {"control": "not_yet_treated"}}, {"name": "two_way_fixed_effects"}]
    more = {"estimators": estimators, "inference": {"draws": 99, "seed": 1}, **changes}
    return load_plan(yaml.safe_dump({**yaml.safe_load(shipped.text), **wanted, **more}))


def send(store: Store, region: str, term: str, content: bytes, reason: str | None = None) -> str:
    """Send a return and bring it through to acceptance; gives its reference."""
    sent = returns.submit_return(store, LEAD_OF_ALL, EHCP, region, term, "r.csv", content, reason=reason)
    returns.sign_off_return(store, APPROVER_OF_ALL, sent.reference)
    returns.accept_return(store, RESEARCH, sent.reference)
    return sent.reference


def shaken(content: bytes, term: int) -> bytes:
    """The return with refusals that vary, so that there is something to estimate."""
    head, *rows = content.decode().splitlines()
    at = head.split(",").index("requests_refused")
    made = []
    for number, row in enumerate(rows):
        cells = row.split(",")
        cells[at] = str(20 + (7 * number + 5 * term + 3 * number * term) % 13)
        made.append(",".join(cells))
    return "\n".join([head, *made, ""]).encode()


def filled(store: Store, ehcp_csv: Callable[..., bytes], register_csv: Callable[..., bytes]) -> runs.Run:
    """Put the programme into a store, release it and run the plan."""
    codes = list(partnerships()["authority"])
    spells = [f"{code},digital_ehcp,2024-01-01,,2,0.5," for code in codes[:9]]
    spells += [f"{code},digital_ehcp,2024-04-01,,2,0.7," for code in codes[9:22]]
    register.register_reforms(store, LOCAL_ADMINISTRATOR, "register.csv", register_csv(*spells))
    for number, region in enumerate(region_names()):
        for at, term in enumerate(TERMS):
            if (number, at) != (8, 1):
                send(store, region, term, shaken(ehcp_csv(region, term, 100 + number + 7 * at), at + number))
    return runs.evaluate(store, RESEARCH, plan(), releases.make_release(store, RESEARCH, "first"))
