"""The same numbers to the last bit, whatever the order of rows, the hash seed and the number of threads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import hashlib, sys
import pandas as pd
from evaluation import ESTIMATORS, Panel, estimate, pretrend_test
from evaluation.robustness import Ask, leave_out

frame = pd.read_csv(sys.argv[1])
if sys.argv[2] != "no":
    frame = frame.sample(frac=1, random_state=int(sys.argv[2]))[list(frame.columns)[::-1]]
named = {"weight": "pupils", "cluster": ["region", "authority"]}
panel = Panel.from_frame(frame, "authority", "term", "first_term", ["rate", "count"], **named)
parts = []
APART = {"synthetic", "two_by_two", "interrupted_series", "dose", "triple_difference", "rollout"}
calls = [(name, a, {}) for name, one in ESTIMATORS.items() for a in one.aggregates if name not in APART]
calls += [("extended_two_way", a, {"family": "poisson"}) for a in ("overall", "event_time")]
for name, aggregate, options in calls:
    result = estimate(panel, name, aggregate=aggregate, **options)
    if not result.estimable:
        parts.append((name + result.reason).encode())
        continue
    parts += [result.estimates.tobytes(), result.scores.tobytes()]
    if not options:
        parts.append(result.weights.toarray().tobytes())
    for cluster in ("region", "authority"):
        found = result.inference(cluster=cluster)
        parts += [found.covariance.tobytes(), result.frame(cluster=cluster).to_json(double_precision=15).encode()]
        parts.append(" ".join([*result.warnings, *found.warnings]).encode())
whole = pd.read_csv(sys.argv[3])
codes = sorted(whole["authority"].unique())
place = whole["authority"].map({code: at for at, code in enumerate(codes)})
whole["dose"] = whole["treated"] * (1 + place % 3)
whole["eligible"] = place % 2
if sys.argv[2] != "no":
    whole = whole.sample(frac=1, random_state=int(sys.argv[2]))
plain = Panel.from_frame(
    whole, "authority", "term", "first_term", "rate",
    cluster="region", covariates=["deprivation"], intensity="dose", eligible="eligible",
)
calls = [("synthetic", {}), ("rollout", {}), ("dose", {}), ("switchers", {}), ("triple_difference", {}), ("group_time", {})]
for name, options in [*calls, ("two_by_two", {"cohort": 8}), ("interrupted_series", {"cohort": 8})]:
    result = estimate(plain, name, **options)
    assert result.estimable, (name, result)
    parts += [result.estimates.tobytes(), result.scores.tobytes()]
one = panel.outcome("rate")
parts.append(repr(leave_out(one, Ask("group_time"), "region")).encode())
parts.append(repr(pretrend_test(estimate(one, "group_time", aggregate="event_time"), "authority")).encode())
print(hashlib.sha256(b"".join(parts)).hexdigest())
"""
ROOT = Path(__file__).resolve().parents[2]


def digest(golden: Path, shuffle: str, seed: str, threads: str) -> str:
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")
    environment = {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed, **dict.fromkeys(names, threads)}
    command = [sys.executable, "-c", SCRIPT, str(golden / "panel_unbalanced.csv"), shuffle, str(golden / "panel.csv")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def plain(golden: Path) -> str:
    return digest(golden, "no", "0", "1")


@pytest.mark.parametrize(
    ("shuffle", "seed", "threads"),
    [
        ("no", "0", "2"),
        *((str(seed), str(seed * 577), str(1 + seed % 2)) for seed in range(1, 3)),
        *(pytest.param(str(seed), str(seed * 577), str(1 + seed % 2), marks=pytest.mark.slow) for seed in range(3, 8)),
        ("8", "random", "1"),
    ],
)
def test_the_same_bits(golden: Path, plain: str, shuffle: str, seed: str, threads: str) -> None:
    assert len(plain) == 64
    assert digest(golden, shuffle, seed, threads) == plain
