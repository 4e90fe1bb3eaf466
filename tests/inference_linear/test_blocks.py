"""Powers of blocks: what moments give is what a decomposition of each block gives, for one effect and for several at once."""

import numpy as np
import pandas as pd
import pytest

from evaluation.estimators import estimate
from evaluation.inference import blocks, moments
from evaluation.inference.blocks import Clusters, powered
from evaluation.inference.small_sample import cr2_weights
from evaluation.inference.spread import restricted_spread, spread_of
from evaluation.inference.working import Row, least_squares_row, prepare
from evaluation.panel import Panel

NEAR, DENSE = 1e-12, 1e-11  # of the largest weight: between the two routes, and from a decomposition of n × n


def drawn_row(seed: int, name: str, weight: str | None = None) -> tuple[Row, np.ndarray]:
    """A row of 60 units × 8 periods with gaps; clusters of one unit, of five, and one of twenty-five."""
    rng = np.random.default_rng(seed)
    d = pd.DataFrame([(u, t) for u in range(60) for t in range(8)], columns=["unit", "period"])
    d["group"] = np.where(d["unit"] < 25, 100, np.where(d["unit"] < 40, 200 + d["unit"] // 5, d["unit"]))
    d["first"] = np.where(d["unit"].isin(range(20, 35)), 4 + d["unit"] % 2, np.nan)
    d["y"] = rng.normal(size=len(d)) + (d["period"] >= d["first"])
    d["size"] = rng.uniform(0.5, 2.0, len(d))
    d = d[rng.random(len(d)) > 0.1]
    panel = Panel.from_frame(d, unit="unit", period="period", outcome="y", first_treated="first", cluster="group", weight=weight)
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


@pytest.mark.parametrize("name", ["two_way_fixed_effects", "group_time", "local_projections"])
@pytest.mark.parametrize(("power", "restricted"), [(-0.5, False), (-1.0, False), (-1.0, True)])
def test_moments_and_decomposition_are_the_power_of_each_block(
    name: str, power: float, restricted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, codes = drawn_row(5, name)
    spread, clusters = restricted_spread(row.model) if restricted else spread_of(row), Clusters(codes)
    parts = clusters.parts(spread.effects)
    assert parts is not None and 20 <= (parts.size < moments.SHARED).sum() < len(clusters)  # at least one is decomposed
    mixed = powered(spread, clusters, power, row.weights)
    monkeypatch.setattr(blocks, "NUMBERS", 0)
    decomposed = powered(spread, Clusters(codes), power, row.weights)
    largest = float(np.abs(row.weights).max())
    want = dense(row, codes, power, restricted)
    assert mixed == pytest.approx(want, rel=0, abs=DENSE * largest)
    assert decomposed == pytest.approx(want, rel=0, abs=DENSE * largest)
    assert mixed == pytest.approx(decomposed, rel=0, abs=NEAR * largest)


@pytest.mark.parametrize("weighted", [False, True])
def test_effects_side_by_side_are_each_alone(weighted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    row, codes = drawn_row(6, "group_time", "size" if weighted else None)
    rng = np.random.default_rng(1)
    rows = [least_squares_row(row.model, rng.normal(size=len(codes))) for _ in range(5)]
    found = [one for one in rows if one is not None]
    together, df = cr2_weights(found, Clusters(codes), "equal")
    alone = [cr2_weights([one], Clusters(codes), "equal") for one in found]
    monkeypatch.setattr(blocks, "NUMBERS", 0)
    for k, (one, own) in enumerate(alone):
        decomposed, by_hand = cr2_weights([found[k]], Clusters(codes), "equal")
        assert together[:, k] == pytest.approx(one[:, 0], rel=0, abs=NEAR) and df[k] == pytest.approx(own[0], rel=NEAR)
        largest = float(np.abs(decomposed).max())
        assert together[:, k] == pytest.approx(decomposed[:, 0], rel=0, abs=DENSE * largest)
        assert df[k] == pytest.approx(by_hand[0], rel=1e-9)


@pytest.mark.parametrize("reach", [one for one, _ in moments.NODES])
def test_nodes_are_as_exact_as_they_say(reach: float) -> None:
    low, high = -reach / (1 - reach), reach
    z = np.linspace(low, high * (1 - 1e-9), 1001)
    (_, nodes), *rest = moments._nodes(np.array([[np.nextafter(reach, 0)]]), -0.5)
    assert not rest
    assert np.mean(1 / (1 - z[:, None] * nodes), axis=1) == pytest.approx((1 - z) ** -0.5, rel=3e-13)
