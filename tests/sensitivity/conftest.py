"""Reference numbers of HonestDiD and pretrends, and panels."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evaluation import Panel

GOLDEN = Path(__file__).resolve().parents[1] / "golden"


@pytest.fixture(scope="session")
def honest() -> dict[str, Any]:
    """By case: estimates, covariance, periods before, contrast, R's rows, the step of R's grid."""
    panel = json.loads((GOLDEN / "reference.json").read_text())["panel"]["honest"]
    rows = json.loads((GOLDEN / "honest" / "panel.json").read_text())
    other = json.loads((GOLDEN / "honest" / "benzarti_carloni.json").read_text())
    meta, step = other["meta"], 0.0005
    own = {"estimates": np.array(panel["betahat"]), "covariance": np.array(panel["sigma"]), "pre": 4}
    theirs = {"estimates": np.array(meta["betahat"]), "covariance": np.array(meta["sigma"]), "pre": 4}
    grid = {name: (g["ub"] - g["lb"]) / (g["points"] - 1) for name in ("first", "average") for g in (rows[f"grid_{name}"],)}
    first, average = np.array([1.0, 0, 0]), np.full(3, 1 / 3)
    first4, average4 = np.array([1.0, 0, 0, 0]), np.full(4, 1 / 4)
    return {
        "rm first": {**own, "contrast": first, "rows": rows["relative_magnitudes_first"], "step": grid["first"]},
        "rm average": {**own, "contrast": average, "rows": rows["relative_magnitudes_average"], "step": grid["average"]},
        "rm first, published": {**theirs, "contrast": first4, "rows": other["RM_lvec1"], "step": step},
        "rm average, published": {**theirs, "contrast": average4, "rows": other["RM_avg"], "step": step},
        "sdrm first, published": {**theirs, "contrast": first4, "rows": other["SDRM_lvec1"], "step": 0.001},
        "sd first": {**own, "contrast": first, "rows": rows["smoothness_flci_first"]},
        "sd average": {**own, "contrast": average, "rows": rows["smoothness_flci_average"]},
        "sd first, published": {**theirs, "contrast": first4, "rows": other["SD_FLCI_lvec1"]},
        "sd average, published": {**theirs, "contrast": average4, "rows": other["SD_avg"]},
        "sd conditional, published": {**theirs, "contrast": first4, "rows": other["SD_conditional"]},
        "original": other["original"][0],
        "pretrends": json.loads((GOLDEN / "honest" / "pretrends.json").read_text()),
    }


@pytest.fixture(scope="session")
def panel() -> Panel:
    frame = pd.read_csv(GOLDEN / "panel.csv")
    return Panel.from_frame(frame, "authority", "term", "first_term", "rate", cluster=["authority", "region"])


@pytest.fixture(scope="session")
def drawn() -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """Estimates and a covariance like those of an event study, from a seed: every effect against the same noisy period."""

    def make(seed: int, pre: int, post: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(seed)
        count = pre + post
        own = rng.uniform(0.5, 2.0, count)
        mixed = 0.3 * rng.normal(size=(count, count))
        covariance = 0.01 * (np.diag(own) + mixed @ mixed.T + rng.uniform(0.2, 1.0))
        return rng.normal(0, 0.2, count), covariance

    return make
