"""Running a bundle again, without any store, and saying what differs: file, submission, cell, code, number."""

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd

from pilots.access import Actor, check_actor_can
from pilots.answers import Refusal, answers_from
from pilots.bundles.making import COLUMNS, FORMAT, MANIFEST, PLAN, RELEASE, RUN, cells_frame, csv_of
from pilots.bundles.tables import FIGURE, BundleError, changed_cells, csv_rows, figures_from, figures_kinds, returned_rows
from pilots.catalogue import outcome
from pilots.demonstration.known import effects_of
from pilots.errors import UserError
from pilots.fanout import workers_set
from pilots.frozen import Frozen
from pilots.plans import Plan, load_plan
from pilots.releases import Release, content_digest, values_digest
from pilots.runs import differences
from pilots.standing import Seen, Standing
from pilots.typed_rows import digest
from pilots.versions import code_version, library_versions

SHOWN = 50  # differences of one kind that are told one by one
WRITTEN = ("analysis.csv", "analysis_r.csv")  # by the scripts, when somebody ran them
RETURNS, PUBLISHED = "data/returns/", "data/published/"
LARGEST = 4 << 30  # bytes that a bundle may unpack to


@dataclass(frozen=True)
class BundleRerun:
    """What came of running a bundle again.

    Attributes:
        run_id: of the run in the bundle.
        same: whether every number is the same to the last bit.
        intact: whether every file is as it was written.
        differences: one sentence a difference, the causes first.
        results_digest: of the new results; blank where there are none.
    """

    run_id: str
    same: bool
    intact: bool
    differences: tuple[str, ...]
    results_digest: str

    def text(self) -> str:
        """The outcome in plain words."""
        if not self.same:
            return "\n".join([f"The bundle of {self.run_id} does not give the same numbers:", *self.differences])
        start = f"The bundle of {self.run_id} gives the same numbers again, to the last bit"
        after = "" if self.intact else ", but it is not as it was written"
        return "\n".join([f"{start}{after} (results digest {self.results_digest}).", *self.differences])

    def to_dict(self) -> dict[str, Any]:
        """The outcome as plain JSON."""
        facts = {name: getattr(self, name) for name in ("run_id", "same", "intact", "results_digest")}
        return {**facts, "differences": list(self.differences)}


def rerun_bundle(actor: Actor, place: Path, progress: Callable[[float, str], None] | None = None) -> BundleRerun:
    """Make the run of a bundle again from the bundle alone: no store is opened.

    Args:
        actor: who may evaluate.
        place: the bundle's folder, or the zip of it.
        progress: told the share done and what is being done.

    Raises:
        NotAllowed: the actor may not.
        BundleError: this is no bundle, or it cannot be read.
        UserError: its figures do not answer its plan any more.
    """
    check_actor_can(actor, "evaluate")
    files = _files(place)
    manifest = _manifest(files)
    old, plan, kept = _of(files, RUN), load_plan(_text(files, PLAN)), _of(files, RELEASE)
    release = _release(kept)
    data = _data(files, frozenset(kept["read_by_plan"]))
    changed = list(_changed_files(files, manifest))
    causes = [*changed, *_some(_changed_content(data, release, kept["read_by_plan"]))]
    if plan.digest != old["plan_digest"]:
        causes.append(f"The plan's digest was {old['plan_digest']} and is now {plan.digest}.")
    if causes:
        causes += _some(_changed_outcomes(files, manifest, data, release, plan))
    before, now = old["code_version"], code_version()
    if before != now:
        causes.append(f"The code was {before} and is now {now}.")
    libraries = _of(files, "versions.json")["libraries"]
    if libraries != library_versions():
        causes.append(f"The libraries were {libraries} and are now {library_versions()}.")
    again = answers_from(
        data, release, plan, _standing(old["standing"]), effects_of(kept["demonstration"]), workers_set(), progress or _silent
    )
    if isinstance(again, Refusal):
        raise UserError("\n".join([again.reason, *causes]))
    same = again.digest == manifest["results_digest"]
    was = {"questions": old["questions"], "family": old.get("family"), "harms": old.get("harms", [])}
    now_found = {"questions": again.questions, "family": again.together, "harms": again.harms}
    found = [] if same else differences(was, now_found)
    numbers = _some(iter(sorted(found, key=lambda words: ".headline." not in words)))
    return BundleRerun(old["run_id"], same, not changed, (*causes, *numbers), again.digest)


def _silent(share: float, words: str) -> None:
    """Nobody watches."""


def _files(place: Path) -> dict[str, bytes]:
    """Content by path, of a folder or a zip; nothing is read of what is none, however large it is."""
    try:
        if place.is_dir():
            _check_is_bundle(place, (place / MANIFEST).is_file(), 0)
            paths = [path for path in sorted(place.rglob("*")) if path.is_file()]
            _check_is_bundle(place, True, sum(path.stat().st_size for path in paths))
            return {path.relative_to(place).as_posix(): path.read_bytes() for path in paths}
        with zipfile.ZipFile(place) as archive:
            inside = {one.filename.partition("/")[2]: one for one in archive.infolist() if not one.is_dir()}
            _check_is_bundle(place, MANIFEST in inside, sum(one.file_size for one in inside.values()))
            return {name: archive.read(one) for name, one in inside.items()}
    except (OSError, zipfile.BadZipFile) as error:
        raise BundleError(
            f"{place} is neither the folder of a bundle nor a zip of one ({error}). Name what “pilots bundle” wrote."
        ) from error


def _check_is_bundle(place: Path, has_manifest: bool, size: int) -> None:
    if not has_manifest:
        raise BundleError(f"{place} is no bundle: it has no {MANIFEST}. Name the folder that “pilots bundle” wrote, or its zip.")
    if size > LARGEST:
        raise BundleError(f"{place} holds more than a bundle can. Ask whoever made it for another.")


def _text(files: Mapping[str, bytes], name: str) -> str:
    if name not in files:
        raise BundleError(f"The bundle has no {name}. Take the bundle anew: pilots bundle RUN_ID --out FOLDER.")
    return files[name].decode("utf-8-sig", errors="replace")


def _of(files: Mapping[str, bytes], name: str) -> dict[str, Any]:
    try:
        return dict(json.loads(_text(files, name)))
    except (json.JSONDecodeError, ValueError, TypeError) as error:
        raise BundleError(f"{name} of the bundle cannot be read: {error}. Take the bundle anew.") from error


def _manifest(files: Mapping[str, bytes]) -> dict[str, Any]:
    manifest = _of(files, MANIFEST)
    if manifest.get("format") != FORMAT:
        raise BundleError(
            f"The bundle is of format {manifest.get('format')}; this platform reads {FORMAT}. Use the code it names."
        )
    return manifest


def _release(kept: Mapping[str, Any]) -> Release:
    named = {name: kept[name] for name in ("id", "name", "digest", "made_by", "submissions", "vintages")}
    return Release(made_at=datetime.fromisoformat(kept["made_at"]), **named)


def _standing(kept: Mapping[str, Any]) -> Standing:
    """What the store said of the plan, as far as numbers depend on it."""
    facts = {name: kept[name] for name in ("kind", "sealed_at", "seal", "version")}
    return Standing(**facts, seen=tuple(Seen(**one) for one in kept["seen"]))


def _data(files: Mapping[str, bytes], sources: frozenset[str]) -> Frozen:
    """Rows and figures from the CSVs: those are what a rerun reads."""
    rows: list[dict[str, Any]] = []
    for name, about in _of(files, COLUMNS).items():
        path = f"{RETURNS}{name}.csv"
        _text(files, path)
        rows += returned_rows(files[path], about, path)
    figures: list[list[Any]] = []
    for path in (one for one in files if one.startswith(PUBLISHED) and one.endswith(".csv")):
        figures += figures_from(files[path], path)
    return Frozen(rows, pd.DataFrame(figures, columns=list(FIGURE)).astype({"value": float}), sources)


def _some(sentences: Iterator[str]) -> list[str]:
    """The first sentences, and how many more there are."""
    shown = list(islice(sentences, SHOWN))
    more = sum(1 for _ in sentences)
    return [*shown, f"And {more:,} more."] if more else shown


def _is(content: bytes | None, sha256: str | None) -> bool:
    return content is not None and hashlib.sha256(content).hexdigest() == sha256


def _changed_files(files: Mapping[str, bytes], manifest: Mapping[str, Any]) -> Iterator[str]:
    """Files that are not as they were written; of a table of data, which cells."""
    digests = manifest["files"]
    kinds = {name: about["kinds"] for name, about in _of(files, COLUMNS).items()}
    for name, sha256 in digests.items():
        if _is(files.get(name), sha256):
            continue
        if name not in files:
            yield f"{name} is missing."
            continue
        yield f"{name} is not as it was written."
        copy = name.removesuffix(".csv") + ".parquet"
        if not name.endswith(".csv") or not _is(files.get(copy), digests.get(copy)):
            continue
        if name.startswith(RETURNS):
            collection = name[len(RETURNS) :].removesuffix(".csv")
            found = changed_cells(files[copy], files[name], ("reference", "row"), kinds[collection])
            yield from (f"{name}: submission {words}" for words in _some(found))
        elif name.startswith(PUBLISHED):
            keys = ("reference", "measure", "period", "authority")
            yield from (
                f"{name}: vintage {words}" for words in _some(changed_cells(files[copy], files[name], keys, figures_kinds()))
            )
    for name in sorted(set(files) - set(digests) - {MANIFEST, *WRITTEN}):
        yield f"{name} was not part of the bundle."


def _changed_content(data: Frozen, release: Release, read: list[str]) -> Iterator[str]:
    """Submissions and vintages whose content does not fit the digest under which they were released."""
    if content_digest(release.submissions, release.vintages) != release.digest:
        yield "The list of what the release holds does not fit its digest."
    rows: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    for row in data.rows:
        rows.setdefault(str(row["reference"]), []).append((int(row["row"]), dict(row["data"])))
    for one in (each for each in release.submissions if each["collection"] in read):
        if digest(sorted(rows.get(one["reference"], []), key=lambda row: row[0])) != one["rows_digest"]:
            about = f"{one['collection']}, {one['region']}, {one['period']}"
            yield f"Submission {one['reference']} ({about}) is not what was released."
    for one in (each for each in release.vintages if each["publication"] in read):
        if values_digest(data.values[data.values["reference"] == one["reference"]]) != one["values_digest"]:
            yield f"Vintage {one['reference']} ({one['publication']}, {one['edition']}) is not what was released."


def _changed_outcomes(
    files: Mapping[str, bytes], manifest: Mapping[str, Any], data: Frozen, release: Release, plan: Plan
) -> Iterator[str]:
    """Cells of the plan's outcomes that are not those of the run."""
    for name in plan.outcomes:
        path = f"cells/{name}.csv"
        if not _is(files.get(path), manifest["files"].get(path)):
            continue
        before = {(row["authority"], row["period"]): row for row in csv_rows(files[path])}
        fresh = csv_rows(csv_of(cells_frame(data, release, outcome(name))))
        now = {(row["authority"], row["period"]): row for row in fresh}
        for key in dict.fromkeys([*before, *now]):
            old, new = before.get(key, {}), now.get(key, {})
            for part in [
                one for one in {**old, **new} if old.get(one, "") != new.get(one, "") and one not in ("authority", "period")
            ]:
                where = f"{outcome(name).label}: authority {key[0]}, {key[1]}"
                yield f"{where}: {part} was {old.get(part) or 'blank'} and is now {new.get(part) or 'blank'}."
