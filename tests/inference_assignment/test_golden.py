"""Published-style reference numbers: exact enumeration in plain R on twelve clusters, three of them treated."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluation import Inference, Panel, estimate

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "assignment" / "few_treated.json"
LINEAR = ("group_time", "two_way_fixed_effects", "imputation", "two_by_two", "stacked")
STEP = 0.005  # the reference looks for interval ends on a grid of this width


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    return dict(json.loads(GOLDEN.read_text()))


@pytest.fixture(scope="module")
def few12(reference: dict[str, Any], two_periods: Callable[..., Panel]) -> Panel:
    return two_periods(reference["ri_few12"]["dy"], np.arange(12) < 3)


@pytest.mark.parametrize("name", LINEAR)
@pytest.mark.parametrize(("statistic", "key"), [("coefficient", "beta"), ("t", "t")])
def test_randomisation(
    name: str, statistic: str, key: str, reference: dict[str, Any], few12: Panel, run: Callable[..., Inference]
) -> None:
    known = reference["ri_few12"]
    found = run("randomisation", estimate(few12, name), statistic=statistic)
    assert found.details["assignments"] == known["n_perm"] == 220
    assert found.details["enumerated"]
    assert found.p_value[0] == pytest.approx(known[f"p_RI_{key}"], abs=1e-12)  # exact shares of 220
    assert found.estimates[0] == pytest.approx(known["beta"], abs=1e-12)
    assert found.frame()["statistic"][0] == pytest.approx(known["t"], abs=1e-9)  # printed to 11 digits
    lower, upper = found.interval(0.95)
    assert (lower[0], upper[0]) == pytest.approx(known[f"ci95_RI_{key}"], abs=STEP)


@pytest.mark.parametrize("name", LINEAR)
@pytest.mark.parametrize("method", ["conley_taber", "ferman_pinto"])
def test_conley_taber(
    name: str, method: str, reference: dict[str, Any], two_periods: Callable[..., Panel], run: Callable[..., Inference]
) -> None:
    known = reference["conley_taber_1treated"]
    change = np.delete(reference["ri_few12"]["dy"], [1, 2])
    found = run(method, estimate(two_periods(change, np.arange(10) < 1), name))
    assert found.estimates[0] == pytest.approx(known["beta"], abs=1e-12)
    assert found.p_value[0] == pytest.approx(known["p_two_sided"], abs=1e-12)
    assert found.details["distribution"]["y"] == pytest.approx(sorted(known["ctrl_resid"]), abs=1e-12)
    lower, upper = found.interval(0.9)
    assert (lower[0], upper[0]) == pytest.approx(known["CT_CI90"], abs=1e-12)
    assert np.isinf(found.interval(0.95)).all()  # nine comparison groups cannot speak at 5%


@pytest.mark.parametrize("name", LINEAR)
def test_sign_change(name: str, reference: dict[str, Any], few12: Panel, run: Callable[..., Inference]) -> None:
    known = reference["sign_change"]
    found = run("sign_change", estimate(few12, name))
    assert found.details["group_effects"]["y"] == pytest.approx(known["tau"], abs=1e-12)
    assert found.details["sign_changes"]["y"] == known["n"]
    assert found.p_value[0] == known["p"]
