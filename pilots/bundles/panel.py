"""The panel and the results of a run as tables for other programs: CSV, Parquet, Stata."""

import io
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from evaluation.panel import NEVER
from pilots.catalogue import Outcome
from pilots.panels import PARTNERSHIP, Question, owners
from pilots.places import called, region_names

LABELS = {
    "unit": "Number of the local authority or school",
    "authority": "Code of the local authority",
    "authority_name": "Local authority or school",
    "region": "Code of the region",
    "region_name": "Region",
    "region_number": "Number of the region",
    "partnership": "Cluster of those that were assigned together",
    "partnership_number": "Number of that cluster",
    "period": "Period",
    "time": "Number of the period, from 1",
    "first_treated": "First period with the reform",
    "first_time": "Number of that period; 0 never",
    "post": "1 with the reform",
    "event_time": "Periods since the start; blank for those that never start",
    "value": "Outcome",
    "weight": "Weight of the cell; 0 where it is missing",
    "intensity": "Intensity of the reform",
}
RESULT = ("outcome", "estimator", "options", "aggregate", "cluster", "inference", *("event_time", "cohort", "period", "region"))
NUMBERS = ("estimate", "std_error", "df", "p_value", "lower", "upper")


def panel_frame(asked: Question) -> pd.DataFrame:
    """The panel of one outcome, one row an authority and period.

    Returns:
        The columns of `LABELS`, and `covariate_1` and so on where the plan has covariates.
    """
    panel = asked.panel
    count, periods = len(panel.units), len(panel.periods)
    cohort = np.where(panel.cohort >= NEVER, -1, panel.cohort)
    starts = np.array([*map(str, panel.periods), ""], dtype=object)[cohort]
    time = np.arange(periods)
    event = np.where(cohort[:, None] >= 0, time[None, :] - cohort[:, None], np.nan)
    region, region_labels = panel.clusters["region"]
    together, together_labels = panel.clusters[PARTNERSHIP]
    codes, place = owners(panel), region_names()
    by_unit: dict[str, Any] = {
        "unit": np.arange(1, count + 1),
        "authority": codes,
        "authority_name": [called(str(unit)) for unit in panel.units],
        "region": [str(region_labels[at]) for at in region],
        "region_name": [place.get(str(region_labels[at]), str(region_labels[at])) for at in region],
        "region_number": region + 1,
        "partnership": [str(together_labels[at]) for at in together],
        "partnership_number": together + 1,
    }
    frame = pd.DataFrame({name: np.repeat(np.asarray(values, dtype=object), periods) for name, values in by_unit.items()})
    for name in ("unit", "region_number", "partnership_number"):
        frame[name] = frame[name].astype("int64")
    frame["period"] = np.tile(np.array([str(one) for one in panel.periods], dtype=object), count)
    frame["time"] = np.tile(time + 1, count)
    frame["first_treated"] = np.repeat(starts, periods)
    frame["first_time"] = np.repeat(cohort + 1, periods)
    frame["post"] = (np.nan_to_num(event, nan=-1.0) >= 0).astype("int64").ravel()
    frame["event_time"] = event.ravel()
    frame["value"], frame["weight"] = panel.values[0].ravel(), panel.weights[0].ravel()
    frame["intensity"] = _intensity(asked)
    if panel.covariate_values is not None:
        for at, values in enumerate(panel.covariate_values, start=1):
            frame[f"covariate_{at}"] = values.ravel()
    return frame


def _intensity(asked: Question) -> np.ndarray:
    """The register's intensity in the cells of the panel, which may lack periods or authorities that the other has."""
    panel, path = asked.panel, asked.path
    if path.intensity is None:
        return np.full(len(panel.units) * len(panel.periods), np.nan)
    known = pd.DataFrame(path.intensity, index=list(path.units), columns=list(path.periods))
    return np.asarray(known.reindex(index=list(panel.units), columns=list(panel.periods)).to_numpy(dtype=float).ravel())


def stata_bytes(frame: pd.DataFrame, about: Outcome, covariates: tuple[str, ...], made_at: datetime) -> bytes:
    """A panel as a Stata file (version 14 and later) with a label on every variable."""
    labels = {**LABELS, "value": f"{about.label}, {about.unit}"}
    labels |= {f"covariate_{at}": name for at, name in enumerate(covariates, start=1)}
    kept = io.BytesIO()
    frame.to_stata(
        kept,
        write_index=False,
        version=118,
        time_stamp=made_at.replace(tzinfo=None),
        data_label=about.label[:80],
        variable_labels={name: labels[name][:80] for name in frame.columns},
        value_labels={"post": {0: "without the reform", 1: "with the reform"}},
    )
    return kept.getvalue()


def results_frame(document: dict[str, Any], canonical: Any) -> pd.DataFrame:
    """Every estimate of a run, one row each, with all digits.

    Args:
        document: of the run.
        canonical: how options become text.
    """
    rows = []
    for question in document["questions"]:
        for one in question["results"]:
            about = {name: one.get(name) for name in ("estimator", "aggregate", "cluster", "inference")}
            about |= {"outcome": question["outcome"], "options": canonical(one["options"])}
            rows += [{**about, **row["label"], **{name: row[name] for name in NUMBERS}} for row in one["rows"]]
    frame = pd.DataFrame(rows, columns=[*RESULT, "kind", *NUMBERS])
    frame["event_time"] = frame["event_time"].astype("Int64")
    return frame
