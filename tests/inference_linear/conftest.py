"""Small panels, and the same errors and bootstraps by plain matrices: every step written out, nothing shared with the package."""

import itertools
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from evaluation.panel import Panel


def frame(seed=0, units=12, periods=6, missing=0.1, weighted=True, groups=6):
    """Two cohorts and never treated units; three units of each group of the first half are treated."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(units):
        group = i % groups
        first = {0: 3, 1: 4, 2: 4}.get(group, 0) if i < units * 3 // 4 or group == 0 else 0
        size = np.exp(rng.normal(0, 0.5))
        for t in range(1, periods + 1):
            on = first > 0 and t >= first
            y = rng.normal() + i * 0.3 + 0.2 * t * (1 + group / 5) + 0.5 * on
            rows.append((i, t, first, group, y, size * np.exp(rng.normal(0, 0.2)) if weighted else 1.0))
    out = pd.DataFrame(rows, columns=["unit", "period", "first", "group", "y", "w"])
    return out[rng.random(len(out)) >= missing].reset_index(drop=True)


def panel(rows, weighted=True, **more):
    return Panel.from_frame(
        rows, "unit", "period", "first", "y", weight="w" if weighted else None, cluster=["group", "unit"], **more
    )


def full_projection(made):
    """M (n × n) in the scaled space from dummies, the outcome, the roots, and each cell's unit and period."""
    weights = made.weights[0].ravel()
    seen = np.flatnonzero(weights > 0)
    unit, when = np.divmod(seen, len(made.periods))
    root = np.sqrt(weights[seen])
    dummies = np.hstack([np.eye(len(made.units))[unit], np.eye(len(made.periods))[when]]) * root[:, None]
    return np.eye(len(seen)) - dummies @ np.linalg.pinv(dummies), made.values[0].ravel()[seen] * root, root, unit, when


def power(matrix, exponent):
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    good = values > 1e-9
    return (vectors[:, good] * values[good] ** exponent) @ vectors[:, good].T


def masks(codes):
    return [codes == code for code in np.unique(codes)]


def bell_mccaffrey(rr, weights, codes, exponent=-0.5):
    """Vector b = block power × weights, and the degrees of freedom from the whole matrix of products."""
    b = np.zeros_like(weights)
    for own in masks(codes):
        b[own] = power(rr[np.ix_(own, own)], exponent) @ weights[own]
    parts = np.array([np.where(own, b, 0.0) for own in masks(codes)])
    products = parts @ rr @ parts.T
    return b, np.trace(products) ** 2 / (products**2).sum()


def plain_wild(m, a, w, u, codes, groups, kind, null, delta):
    """|t*| of every sign vector, and |t| of the null θ̂ + delta, each draw fitted again from whole vectors."""
    r = m - np.outer(a, w)
    q = w.copy()
    if kind[1] == "3":
        for own in masks(codes):
            q[own] = power((r @ r.T)[np.ix_(own, own)], -1.0) @ w[own]
    residual = u - delta * a if null else u
    if kind[0] == "3":
        spread, changed = (m if null else r @ r.T), residual.copy()
        for own in masks(codes):
            changed[own] = power(spread[np.ix_(own, own)], -1.0) @ residual[own]
        residual = changed

    def error(vector):
        return np.sqrt(sum((q[own] @ vector[own]) ** 2 for own in masks(codes)))

    found = []
    for signs in itertools.product((1.0, -1.0), repeat=len(np.unique(groups))):
        star = residual * np.array(signs)[np.unique(groups, return_inverse=True)[1]]
        found.append(abs(w @ star) / error(r @ star))
    return np.array(found), abs(delta) / error(u)


@pytest.fixture(scope="session")
def plain():
    return SimpleNamespace(
        frame=frame,
        panel=panel,
        full_projection=full_projection,
        power=power,
        masks=masks,
        bell_mccaffrey=bell_mccaffrey,
        wild=plain_wild,
    )


GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="session")
def few12():
    return pd.read_csv(GOLDEN / "few_clusters" / "few12.csv")


@pytest.fixture(scope="session")
def few12_numbers():
    return json.loads((GOLDEN / "few_clusters" / "cluster_few12.json").read_text())


@pytest.fixture(scope="session")
def panel_numbers():
    return json.loads((GOLDEN / "reference.json").read_text())


@pytest.fixture(scope="session", params=["panel", "panel_unbalanced"])
def golden(request):
    return request.param, pd.read_csv(GOLDEN / f"{request.param}.csv")
