"""Small plans on the figures of `conftest.py`: all that a test of the way needs."""

from typing import Any

import yaml

from pilots.plans import Plan, load_plan, named_plan


def small_plan(**keys: Any) -> Plan:
    """Two outcomes and one estimator."""
    given = {"estimators": [{"name": "group_time"}], "inference": {"draws": 199, "seed": 5}, "clusters": ["partnership"], **keys}
    return load_plan(yaml.safe_dump({**yaml.safe_load(named_plan("ehcp_timeliness").text), **given}))


def one_outcome(**keys: Any) -> Plan:
    """The first of them alone."""
    return small_plan(**{"outcomes": ["timeliness_20_weeks"], "smallest_effect": {"timeliness_20_weeks": 5}, **keys})
