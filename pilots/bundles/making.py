"""Making a bundle: what a run was made from, and the same analysis as plain scripts, under a manifest of digests."""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import pandas as pd

from pilots import releases
from pilots.access import Actor, check_actor_can
from pilots.bundles.panel import panel_frame, results_frame, stata_bytes
from pilots.bundles.tables import (
    FIGURE,
    BundleError,
    cell,
    csv_bytes,
    figures_kinds,
    figures_table,
    parquet_bytes,
    returns_table,
    typed,
)
from pilots.catalogue import Outcome, outcome, publications, reform, reforms, watched
from pilots.collections import REGISTER
from pilots.demonstration.known import setting
from pilots.figures import figures
from pilots.frozen import Data, Frozen
from pilots.panels import question
from pilots.plans import Plan, load_plan
from pilots.releases import Release
from pilots.runs import Run, run
from pilots.storage import Store, evaluations
from pilots.storage.base import canonical_json
from pilots.storage.published import vintage_values
from pilots.storage.releases import released_rows, released_submissions
from pilots.versions import ROOT, library_versions

FORMAT = 1
MANIFEST, RUN, PLAN, RELEASE, COLUMNS, LOCK = (
    "manifest.json",
    "run.json",
    "plan.yaml",
    "release.json",
    "data/columns.json",
    "requirements.lock",
)
SCRIPTS = ("README.md", "LICENCE.md", "analysis.py", "analysis.R", "analysis.do")
EPOCH = (2000, 1, 1, 0, 0, 0)  # of every file in a zip, so that one run always gives the same bytes
Files = dict[str, bytes]


@dataclass(frozen=True)
class Bundle:
    """A rerun bundle.

    Attributes:
        run_id: of the run.
        files: content by path, the manifest last.
    """

    run_id: str
    files: Mapping[str, bytes]

    def write(self, folder: Path) -> None:
        """Write the bundle into a folder that is new or empty.

        Raises:
            BundleError: something is there already, or it cannot be written.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if any(folder.iterdir()):
                raise BundleError(f"The folder {folder} is not empty, and nothing was written. Name a new one.")
            for name, content in self.files.items():
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
        except OSError as error:
            raise BundleError(f"The bundle cannot be written to {folder}: {error.strerror}. Name another folder.") from error

    def zipped(self) -> bytes:
        """The bundle as a zip with one folder, named like the run."""
        kept = io.BytesIO()
        with zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in self.files.items():
                archive.writestr(zipfile.ZipInfo(f"{self.run_id}/{name}", EPOCH), content, zipfile.ZIP_DEFLATED)
        return kept.getvalue()

    def to_dict(self) -> dict[str, Any]:
        """The run and the files with their sizes as plain JSON."""
        return {"run_id": self.run_id, "files": {name: len(content) for name, content in self.files.items()}}


def make_bundle(store: Store, actor: Actor, run_id: str) -> Bundle:
    """Everything that a run needs to be made again on an empty machine. Figures in it are not suppressed.

    Args:
        store: where the run lies.
        actor: an evaluator, a researcher or an administrator.
        run_id: of the run.

    Raises:
        NotAllowed: the actor may not.
        UserError: there is no such run, or what is stored of its release has changed.
    """
    check_actor_can(actor, "make_bundle")
    found = run(store, actor, run_id)
    release = releases.release(store, actor, found.document["release"]["id"])
    releases.verify(store, release)
    plan = load_plan(_plan_text(store, found))
    data, files = _data(store, release, plan)
    made = {**_about(store, found, plan, release), **files}
    for name in plan.outcomes:
        made |= _outcome_files(data, release, plan, outcome(name), found)
    results = results_frame(found.document, canonical_json)
    made["expected.csv"] = csv_of(results)
    made |= _scripts(found, plan)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(made.items())}
    manifest = {"format": FORMAT, "run_id": run_id, "results_digest": found.document["results_digest"], "files": digests}
    made = dict(sorted(made.items())) | {MANIFEST: _json(manifest)}
    with store.write(actor, "make_bundle", run_id, {"release_digest": release.digest, "files": len(made)}):
        pass
    return Bundle(run_id, made)


def sources(plan: Plan) -> list[str]:
    """The collections and publications that a plan reads: the register and what tells spells first."""
    spells = [REGISTER, *(one.spells_from.collection for one in reforms() if one.spells_from)]
    about = reform(plan.reform)
    compared = [told.collection for told in (about.compared_with, about.schools_from) if told is not None]
    harms = [one.outcome for one in watched(plan.reform, plan.outcomes)]
    wanted = [outcome(name).source for name in (*plan.outcomes, *plan.covariates, *plan.placebo_outcomes, *harms)]
    costs = [plan.costs.collection] if plan.costs is not None and plan.costs.collection else []
    return list(dict.fromkeys([*spells, *compared, *wanted, *costs]))


def cells_frame(data: Data, release: Release, about: Outcome) -> pd.DataFrame:
    """Numerator and denominator of an outcome by authority and period, before a plan leaves anybody out."""
    rows = figures(data, release, about).rows
    return rows.groupby(["authority", "period"], sort=True).sum(min_count=1).reset_index()


def csv_of(frame: pd.DataFrame) -> bytes:
    """A frame as CSV with all digits."""
    return frame.to_csv(index=False, lineterminator="\n").encode()


def _plan_text(store: Store, found: Run) -> str:
    with store.read() as connection:
        row = evaluations.stored_run(connection, found.run_id)
    if row is None:
        raise RuntimeError(f"{found.run_id} was read and is gone")
    return str(row["plan_text"])


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _data(store: Store, release: Release, plan: Plan) -> tuple[Frozen, Files]:
    """The rows and figures that a plan reads, and the files that they are kept in."""
    wanted = sources(plan)
    every: list[dict[str, Any]] = []
    files: Files = {}
    columns: dict[str, Any] = {}
    with store.read() as connection:
        reference = {row["id"]: row["reference"] for row in released_submissions(connection, release.id)}
        for name in (one for one in wanted if one not in publications()):
            stored = released_rows(connection, release.id, name)
            rows = [{**row, "collection": name, "reference": reference[row["submission_id"]]} for row in stored]
            header, table, columns[name] = returns_table(rows)
            files |= _both(f"data/returns/{name}", header, table, columns[name]["kinds"])
            every += rows
        values = []
        for name in (one for one in wanted if one in publications()):
            values.append(vintage_values(connection, releases.vintage_references(release, name)))
            files |= _both(f"data/published/{name}", list(FIGURE), figures_table(values[-1]), figures_kinds())
    files[COLUMNS] = _json(columns)
    for name, version in sorted({(row["collection"], row["contract_version"]) for row in every}):
        path = resources.files("data_contracts").joinpath("contracts", name, f"{version}.yaml")
        files[f"contracts/{name}/{version}.yaml"] = path.read_bytes()
    together = pd.concat(values, ignore_index=True) if values else pd.DataFrame(columns=list(FIGURE))
    return Frozen(every, together, frozenset(wanted)), files


def _both(path: str, header: Sequence[str], table: Sequence[Sequence[Any]], kinds: Mapping[str, str]) -> Files:
    """A table as CSV and as Parquet."""
    texts = [[cell(value, kinds[name]) for name, value in zip(header, row, strict=True)] for row in table]
    return {f"{path}.csv": csv_bytes(header, texts), f"{path}.parquet": parquet_bytes(typed(header, table, kinds))}


def _about(store: Store, found: Run, plan: Plan, release: Release) -> Files:
    """The run, its plan, its release, and the libraries."""
    own = setting(store)
    frozen = {**release.to_dict(), "demonstration": own, "read_by_plan": sources(plan)}
    lock = ROOT / "requirements.lock"
    installed = sorted({f"{one.metadata['Name']}=={one.version}" for one in metadata.distributions()}, key=str.lower)
    return {
        RUN: _json(found.document),
        PLAN: plan.text.encode(),
        RELEASE: _json(frozen),
        LOCK: lock.read_bytes() if lock.exists() else ("\n".join(installed) + "\n").encode(),
        "versions.json": _json({"code_of_run": found.document["code_version"], "libraries": library_versions()}),
    }


def _outcome_files(data: Frozen, release: Release, plan: Plan, about: Outcome, found: Run) -> Files:
    """Cells and panel of one outcome."""
    asked = question(data, release, plan, about, releases.register_spells(data, release))
    panel, cells = panel_frame(asked), cells_frame(data, release, about)
    made: Files = {}
    for path, frame in ((f"cells/{about.id}", cells), (f"panel/{about.id}", panel)):
        made[f"{path}.csv"] = csv_of(frame)
        made[f"{path}.parquet"] = parquet_bytes(frame)
    made[f"panel/{about.id}.dta"] = stata_bytes(panel, about, plan.covariates, datetime.fromisoformat(found.document["made_at"]))
    return made


def _scripts(found: Run, plan: Plan) -> Files:
    """The scripts and the words for readers, with this run's outcomes and choices."""
    choice = next((one for one in plan.estimators if one.name == "group_time"), None)
    options = dict(choice.options) if choice else {}
    never = options.get("control", "never_treated") == "never_treated"
    document = found.document
    facts = {
        "@RUN@": found.run_id,
        "@TITLE@": plan.title,
        "@QUESTION@": plan.question,
        "@RELEASE@": f"{document['release']['name']} ({document['release']['id']})",
        "@RELEASE_DIGEST@": document["release_digest"],
        "@PLAN_DIGEST@": document["plan_digest"],
        "@CODE@": document["code_version"],
        "@RESULTS_DIGEST@": document["results_digest"],
        "@OUTCOMES_STATA@": " ".join(plan.outcomes),
        "@CONTROL_STATA@": "" if never else " notyet",
        "@BASE_STATA@": " long2" if options.get("base") == "universal" else "",
        "@SYNTHETIC@": "The figures are synthetic: names and codes are real, numbers are not.\n" if document["synthetic"] else "",
    }
    folder, made = resources.files("pilots.bundles").joinpath("scripts"), {}
    for name in SCRIPTS:
        text = folder.joinpath(name).read_text(encoding="utf-8")
        for token, words in facts.items():
            text = text.replace(token, words)
        made[name] = text.encode()
    return made
