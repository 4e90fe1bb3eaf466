"""Cluster-robust errors from scores (CR1), and the errors of R's `did`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from evaluation.errors import PanelError, check_choice
from evaluation.inference.base import Inference, Scored, clusters_with, dust, group_sums

FACTORS = ("CR1", "CR1_all_effects", "none")
DISTRIBUTIONS = ("t", "normal")


def clustered(result: Scored, cluster: str | None, options: Mapping[str, Any]) -> Inference:
    """Cluster-robust errors (CR1 by default) with t(G-1); see METHODS.md."""
    check_choice("factor", options["factor"], FACTORS)
    check_choice("distribution", options["distribution"], DISTRIBUTIONS)
    name, codes = result.panel.cluster_codes(cluster)
    if result.own_df is not None:
        return _own(result, name, codes, result.own_df)
    groups, treated, compared = (clusters_with(units, codes) for units in (result.used, result.support, result.compared))
    real = result.used.any(axis=0)
    if real.any() and (groups[real] < 2).all():
        raise PanelError(
            f"All units are in one {name}: errors clustered by {name} cannot be had. Cluster by {result.panel.unit}."
        )
    factor = _factor(result, options["factor"], groups, codes)
    covariance = _covariance(result.scores, codes) * np.sqrt(np.outer(factor, factor))
    flat = np.sqrt(np.diag(covariance)) <= dust(result)
    alone = {"one treated": real & (treated == 1), "one comparison": real & (compared == 1)}
    warnings = [
        f"{int(rows.sum())} of {len(rows)} effects rest on {which} {name}: its own variation cannot be seen, "
        f"so they have no error clustered by {name}."
        for which, rows in alone.items()
        if rows.any()
    ]
    covariance = _blank(covariance, alone["one treated"] | alone["one comparison"] | (groups < 2) | flat)
    still = int((flat & real & (result.kinds != "reference")).sum())
    if still:
        warnings.append(f"{still} of {len(flat)} effects do not vary at all between clusters by {name}, so they have no error.")
    df = np.where(groups > 1, groups - 1.0, np.nan) if options["distribution"] == "t" else np.full(len(groups), np.inf)
    counts = (groups, treated, compared)
    return Inference(
        "clustered", name, *counts, options["factor"], result.labels, result.estimates, covariance, df, tuple(warnings)
    )


def _own(result: Scored, name: str, codes: np.ndarray, df: np.ndarray) -> Inference:
    """Errors in which no unit has a share: one unit carries each whole, so they are the same under every clustering."""
    covariance = _covariance(result.scores, codes)
    covariance = _blank(covariance, np.sqrt(np.diag(covariance)) <= dust(result))
    counts = (clusters_with(result.used, codes), clusters_with(result.support, codes), clusters_with(result.compared, codes))
    said = (f"The errors are the estimator's own: clustering by {name} changes nothing.",)
    return Inference("clustered", name, *counts, "none", result.labels, result.estimates, covariance, df, said)


def influence(result: Scored, cluster: str | None, options: Mapping[str, Any]) -> Inference:
    """The errors of R's `did`: √Σψ²/n, no small-sample factor, normal quantiles; kept for comparison."""
    name, codes = result.panel.cluster_codes(cluster or result.panel.unit)
    covariance = _covariance(result.scores, codes)
    covariance = _blank(covariance, np.sqrt(np.diag(covariance)) <= np.sqrt(np.finfo(float).eps) * 10)
    counts = (clusters_with(result.used, codes), clusters_with(result.support, codes), clusters_with(result.compared, codes))
    df = np.full(len(result.estimates), np.inf)
    return Inference("influence", name, *counts, "none", result.labels, result.estimates, covariance, df)


def _covariance(scores: np.ndarray, codes: np.ndarray) -> np.ndarray:
    sums = group_sums(scores, codes)
    return sums.T @ sums


def _factor(result: Scored, name: str, groups: np.ndarray, codes: np.ndarray) -> np.ndarray:
    if name == "none":
        return np.ones(len(groups))
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = groups / (groups - 1.0)
        counted = result.parameters.astype(float)
        if name == "CR1_all_effects":  # linearmodels counts the unit effects too
            counted = np.where(counted > 0, counted + result.used.sum(axis=0) - 1, 0)
        n = result.observations
        residual = np.where(counted > 0, (n - 1.0) / (n - counted), 1.0)
    return np.where(np.isfinite(factor), factor, 0.0) * residual


def _blank(covariance: np.ndarray, rows: np.ndarray) -> np.ndarray:
    out = covariance.copy()
    out[rows, :] = np.nan
    out[:, rows] = np.nan
    return out
