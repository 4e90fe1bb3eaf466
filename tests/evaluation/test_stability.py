"""The same numbers to the last bit, whatever the order of rows, the hash seed and the number of threads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import hashlib, sys
import pandas as pd
from evaluation import AGGREGATES, Panel, estimate, leave_one_out, pretrend_test

frame = pd.read_csv(sys.argv[1])
if sys.argv[2] != "no":
    frame = frame.sample(frac=1, random_state=int(sys.argv[2]))[list(frame.columns)[::-1]]
named = {"weight": "pupils", "cluster": ["region", "authority"]}
panel = Panel.from_frame(frame, "authority", "term", "first_term", ["rate", "count"], **named)
parts = []
calls = [("two_way_fixed_effects", a) for a in ("overall", "event_time")] + [("group_time", a) for a in AGGREGATES]
for name, aggregate in calls:
    result = estimate(panel, name, aggregate=aggregate)
    parts += [result.estimates.tobytes(), result.scores.tobytes(), result.weights.toarray().tobytes()]
    for cluster in ("region", "authority"):
        found = result.inference(cluster=cluster)
        parts += [found.covariance.tobytes(), result.frame(cluster=cluster).to_json(double_precision=15).encode()]
        parts.append(" ".join([*result.warnings, *found.warnings]).encode())
one = panel.outcome("rate")
parts.append(repr(leave_one_out(one, "group_time", "region")).encode())
parts.append(repr(pretrend_test(estimate(one, "group_time", aggregate="event_time"), "authority")).encode())
print(hashlib.sha256(b"".join(parts)).hexdigest())
"""
ROOT = Path(__file__).resolve().parents[2]


def digest(golden: Path, shuffle: str, seed: str, threads: str) -> str:
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")
    environment = {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed, **dict.fromkeys(names, threads)}
    command = [sys.executable, "-c", SCRIPT, str(golden / "panel_unbalanced.csv"), shuffle]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def plain(golden: Path) -> str:
    return digest(golden, "no", "0", "1")


@pytest.mark.parametrize(
    ("shuffle", "seed", "threads"), [("no", "0", "2"), ("1", "1", "1"), ("2", "4711", "2"), ("3", "random", "1")]
)
def test_the_same_bits(golden: Path, plain: str, shuffle: str, seed: str, threads: str) -> None:
    assert len(plain) == 64
    assert digest(golden, shuffle, seed, threads) == plain
