"""Powers of blocks: the series for clusters that are a small part of the whole is what a decomposition of each block gives."""

import numpy as np
import pandas as pd
import pytest

from evaluation.estimators import estimate
from evaluation.inference import blocks
from evaluation.inference.blocks import Clusters, powered
from evaluation.inference.spread import restricted_spread, spread_of
from evaluation.inference.working import Row, prepare
from evaluation.panel import Panel

NEAR, DENSE = 1e-12, 1e-11  # of the largest weight: between the two routes, and from a decomposition of n × n


def drawn_row(seed: int, name: str) -> tuple[Row, np.ndarray]:
    """A row of 60 units × 8 periods with gaps; clusters of one unit, of five, and one of twenty-five."""
    rng = np.random.default_rng(seed)
    d = pd.DataFrame([(u, t) for u in range(60) for t in range(8)], columns=["unit", "period"])
    d["group"] = np.where(d["unit"] < 25, 100, np.where(d["unit"] < 40, 200 + d["unit"] // 5, d["unit"]))
    d["first"] = np.where(d["unit"].isin(range(20, 35)), 4 + d["unit"] % 2, np.nan)
    d["y"] = rng.normal(size=len(d)) + (d["period"] >= d["first"])
    d = d[rng.random(len(d)) > 0.1]
    panel = Panel.from_frame(d, unit="unit", period="period", outcome="y", first_treated="first", cluster="group")
    result = estimate(panel, name)
    row = prepare(result, "group").rows[0]
    assert row is not None
    codes = result.panel.cluster_codes("group")[1][row.model.cell // len(result.panel.periods)]
    return row, np.unique(codes, return_inverse=True)[1]


def dense(row: Row, codes: np.ndarray, power: float, restricted: bool) -> np.ndarray:
    """Each block of R R' to the power × the weights, by decomposing the blocks of the whole matrix."""
    m = row.model.residual(np.eye(len(codes)))
    r = m if restricted else m - row.columns @ row.coefficients.T
    out = np.zeros(len(codes))
    for code in range(codes.max() + 1):
        at = np.flatnonzero(codes == code)
        values, vectors = np.linalg.eigh((r @ r.T)[np.ix_(at, at)])
        raised = np.array([value**power if value > 1e-10 else 0.0 for value in values])
        out[at] = vectors @ (raised * (vectors.T @ row.weights[at]))
    return out


@pytest.mark.parametrize("name", ["two_way_fixed_effects", "group_time"])
@pytest.mark.parametrize(("power", "restricted"), [(-0.5, False), (-1.0, False), (-1.0, True)])
def test_series_and_decomposition_are_the_power_of_each_block(
    name: str, power: float, restricted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, codes = drawn_row(5, name)
    spread, clusters = restricted_spread(row.model) if restricted else spread_of(row), Clusters(codes)
    lengths: list[int] = []
    series = blocks._series
    monkeypatch.setattr(blocks, "_series", lambda gram, *rest: (lengths.append(len(gram)), series(gram, *rest))[1])
    mixed = powered(spread, clusters, power, row.weights)
    assert 20 <= sum(lengths) < len(clusters)  # most go by the series, at least one does not
    monkeypatch.setattr(blocks, "NUMBERS", 0)
    decomposed = powered(spread, clusters, power, row.weights)
    largest = float(np.abs(row.weights).max())
    want = dense(row, codes, power, restricted)
    assert mixed == pytest.approx(want, rel=0, abs=DENSE * largest)
    assert decomposed == pytest.approx(want, rel=0, abs=DENSE * largest)
    assert mixed == pytest.approx(decomposed, rel=0, abs=NEAR * largest)
