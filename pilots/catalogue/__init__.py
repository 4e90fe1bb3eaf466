"""The catalogue: outcomes, reforms and the names that publications give to measures. A new one is YAML, and no Python."""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

import yaml

from data_contracts.contract import YAML
from pilots.errors import UserError
from pilots.periods import ACADEMIC, KINDS, parse

FOLDER: Traversable = resources.files(__package__)
HARMS = ("rise", "fall")
DIRECTIONS = ("higher_is_better", "lower_is_better", None)


class CatalogueError(UserError, ValueError):
    """A mistake in the catalogue, or a name that it does not have (a plan may ask for one)."""


@dataclass(frozen=True)
class SeriesBreak:
    """A change in how a measure is counted: `period` is the first one counted in the new way."""

    name: str
    period: str
    text: str


@dataclass(frozen=True)
class Forecast:
    """Where a collection says what is expected of a year, and later what it was.

    Attributes:
        year, version, basis: columns with the year that a row is for, the version, and whether it is expected or came.
        expected, came: how `basis` tells them apart.
        by: columns that, with authority and year, tell one figure from another.
    """

    year: str
    version: str
    basis: str
    expected: str
    came: str
    by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """One outcome: scale x numerator / denominator, per authority and period.

    Attributes:
        id, label, note: its name in plans, its name for readers, what else must be known.
        source: publication or collection that gives the measures.
        numerator, denominator: measures, added up; without a denominator the numerator is the value.
        strata: which strata of the measures count, for example `("tier 3",)`; empty for all. Strata of one column are taken
            together; of two columns, both must hold.
        numerator_strata: the same for the numerator alone, for a part of the rows that the denominator has.
        forecast: where the outcome is how far a forecast was off: the numerator is then the sum of what single figures were off
            by, up or down, over the sum of what came, and the period is the year that was expected.
        scale, unit, effect_unit: 100 for rates; the unit of the value, and of a difference of two values.
        direction: `higher_is_better`, `lower_is_better`, or None where neither is.
        frequency: the kind of period (`calendar year`, `academic year`, `term`).
        breaks: breaks in the series.
        gameable_twin, gameable: the outcome to be read beside this one, and why.
        smallest_effect: the smallest effect that matters, in effect_unit, or None.
        guardrail: True where the outcome is watched for harm.
    """

    id: str
    label: str
    source: str
    numerator: tuple[str, ...]
    denominator: tuple[str, ...]
    frequency: str
    scale: float = 1.0
    unit: str = ""
    effect_unit: str = ""
    direction: str | None = None
    breaks: tuple[SeriesBreak, ...] = ()
    gameable_twin: str | None = None
    gameable: str = ""
    smallest_effect: float | None = None
    guardrail: bool = False
    strata: tuple[str, ...] = ()
    numerator_strata: tuple[str, ...] = ()
    forecast: Forecast | None = None
    note: str = ""


@dataclass(frozen=True)
class ToldBy:
    """What the rows of a collection tell of itself, so that nobody registers it a second time.

    Attributes:
        collection: whose rows.
        where: column and value of the rows that are meant.
        date: of rows that begin a spell, the column with the day; of several in an authority the first counts.
    """

    collection: str
    where: tuple[tuple[str, str], ...]
    date: str = ""


@dataclass(frozen=True)
class Reform:
    """One reform of the programme.

    Attributes:
        id, label, note: its name in plans and in the register, its name for readers, what else must be known.
        launch, staggered: the day on which every authority starts, and then False.
        not_causal, remedy: why no effect of it is estimated, and what would make one possible; figures are described.
        spells_from: the collection that tells who started when, where the register does not.
        schools_from: the collection that tells which schools have the reform from which period, for plans that observe schools.
        compared_with: the collection whose rows tell who compares, for plans that compare as the catalogue has it.
        unwatched: harm to be watched for that no return measures.
    """

    id: str
    label: str
    launch: str | None = None
    staggered: bool = True
    note: str = ""
    not_causal: str = ""
    remedy: str = ""
    spells_from: ToldBy | None = None
    compared_with: ToldBy | None = None
    schools_from: ToldBy | None = None
    unwatched: tuple[str, ...] = ()


@dataclass(frozen=True)
class Guardrail:
    """An outcome that is watched for harm wherever a reform, or an outcome beside it, is evaluated.

    Attributes:
        outcome: id of the outcome watched.
        harm: `rise` or `fall`: the way that does harm.
        margin: the harm that would still be borne, in the outcome's effect_unit.
        why: what it would be a sign of.
        reform, beside: the reform with which it is watched, or the outcome; one of the two.
    """

    outcome: str
    harm: str
    margin: float
    why: str
    reform: str = ""
    beside: str = ""

    @property
    def direction(self) -> str:
        """The direction that is better for whoever could be harmed."""
        return "lower_is_better" if self.harm == "rise" else "higher_is_better"


def _load(name: str) -> dict[str, Any]:
    with FOLDER.joinpath(name).open(encoding="utf-8") as handle:
        return dict(yaml.load(handle, Loader=YAML))


def _files(folder: str) -> list[str]:
    """Names of the YAML files of a folder of the catalogue, in order."""
    there = FOLDER.joinpath(folder)
    return sorted(f"{folder}/{path.name}" for path in there.iterdir() if path.name.endswith(".yaml"))


def _names(entry: str | list[str] | None) -> tuple[str, ...]:
    if entry is None:
        return ()
    return (entry,) if isinstance(entry, str) else tuple(entry)


def _break(name: str, entry: dict[str, str], frequency: str) -> SeriesBreak:
    period = entry["academic_period"] if frequency == ACADEMIC and "academic_period" in entry else entry["period"]
    return SeriesBreak(name, str(parse(period)), " ".join(entry["text"].split()))


def _outcome(entry: dict[str, Any], breaks: dict[str, dict[str, str]]) -> Outcome:
    unknown = sorted(set(entry) - set(Outcome.__dataclass_fields__))
    if unknown:
        raise CatalogueError(f"outcomes.yaml: outcome “{entry.get('id')}” has the unknown key “{unknown[0]}”.")
    if entry["frequency"] not in KINDS or entry.get("direction") not in DIRECTIONS:
        raise CatalogueError(
            f"outcomes.yaml: outcome “{entry['id']}” needs a known frequency ({', '.join(KINDS)}) and direction."
        )
    made = dict(entry)
    made["numerator"], made["denominator"] = _names(entry["numerator"]), _names(entry.get("denominator"))
    for key in ("strata", "numerator_strata"):
        made[key] = _names(entry.get(key))
    made["breaks"] = tuple(_break(name, breaks[name], entry["frequency"]) for name in entry.get("breaks", []))
    if "forecast" in entry:
        made["forecast"] = Forecast(**{**entry["forecast"], "by": _names(entry["forecast"].get("by"))})
    for key in ("gameable", "note"):
        made[key] = " ".join(str(entry.get(key, "")).split())
    return Outcome(**made)


@cache
def _outcomes() -> dict[str, Outcome]:
    documents = [_load(name) for name in ("outcomes.yaml", *_files("outcomes"))]
    breaks = {name: entry for document in documents for name, entry in document.get("breaks", {}).items()}
    made: dict[str, Outcome] = {}
    for entry in (entry for document in documents for entry in document["outcomes"]):
        if entry["id"] in made:
            raise CatalogueError(f"The catalogue has the outcome “{entry['id']}” twice. Give one of them another id.")
        made[entry["id"]] = _outcome(entry, breaks)
    return made


def outcomes() -> list[Outcome]:
    """All outcomes, in the order of the catalogue."""
    return list(_outcomes().values())


def outcome(name: str) -> Outcome:
    """One outcome by its id.

    Raises:
        CatalogueError: there is none of that name.
    """
    try:
        return _outcomes()[name]
    except KeyError:
        raise CatalogueError(f"There is no outcome “{name}”. The catalogue has: {', '.join(sorted(_outcomes()))}.") from None


@cache
def _reforms() -> dict[str, Reform]:
    return {entry["id"]: _reform(entry) for entry in _load("reforms.yaml")["reforms"]}


def _reform(entry: dict[str, Any]) -> Reform:
    made = {**entry, "unwatched": tuple(entry.get("unwatched", ()))}
    for key in ("note", "not_causal", "remedy"):
        made[key] = " ".join(str(entry.get(key, "")).split())
    for key in ("spells_from", "compared_with", "schools_from"):
        if key in entry:
            told = entry[key]
            made[key] = ToldBy(
                told["collection"],
                tuple(sorted((column, str(value)) for column, value in told["where"].items())),
                told.get("date", ""),
            )
    return Reform(**made)


@cache
def guardrails() -> tuple[Guardrail, ...]:
    """Every guardrail, in the order of the catalogue.

    Raises:
        CatalogueError: one names an outcome or a reform that there is not, no way of harm, or no margin.
    """
    return tuple(_guardrail(entry) for entry in _load("guardrails.yaml")["guardrails"])


def _guardrail(entry: dict[str, Any]) -> Guardrail:
    about = outcome(entry["outcome"])
    if ("reform" in entry) == ("beside" in entry):
        raise CatalogueError(f"guardrails.yaml: “{about.id}” needs either a reform or an outcome that it stands beside.")
    if "reform" in entry:
        reform(entry["reform"])
    else:
        outcome(entry["beside"])
    if entry.get("harm") not in HARMS or not float(entry.get("margin", 0)) > 0:
        raise CatalogueError(f"guardrails.yaml: “{about.id}” needs harm ({' or '.join(HARMS)}) and a margin above 0.")
    return Guardrail(**{**entry, "margin": float(entry["margin"]), "why": " ".join(entry["why"].split())})


def watched(reform_id: str, outcomes_asked: Iterable[str]) -> list[Guardrail]:
    """The guardrails of a reform and of the outcomes that are asked about, each outcome once, the reform's first."""
    asked = set(outcomes_asked)
    found: dict[str, Guardrail] = {}
    for one in sorted(guardrails(), key=lambda one: not one.reform):
        if one.reform == reform_id or one.beside in asked:
            found.setdefault(one.outcome, one)
    return list(found.values())


def reforms() -> list[Reform]:
    """All reforms, in the order of the catalogue."""
    return list(_reforms().values())


def reform_labels() -> dict[str, str]:
    """Label by id of all reforms, in the order of the catalogue."""
    return {entry.id: entry.label for entry in reforms()}


def reform(name: str) -> Reform:
    """One reform by its id.

    Raises:
        CatalogueError: there is none of that name.
    """
    try:
        return _reforms()[name]
    except KeyError:
        raise CatalogueError(f"There is no reform “{name}”. The catalogue has: {', '.join(sorted(_reforms()))}.") from None


@dataclass(frozen=True)
class FileAlias:
    """How one file of a publication becomes measures.

    Attributes:
        id, pattern: name for readers; pattern of the file name, in lower case.
        totals_column, totals_labels: the column and its labels that mark totals; no column where every row is one.
        rows: pairs of a condition {column: value} and the measures {measure: [(column, since, until)]} read from such rows.
        computed, left: patterns of columns that follow from others, or that are known and not used.
        period: `as given`; `january`: a count in January of the year named, kept under its academic year; or `autumn and spring`:
            both terms together, kept under their academic year.
        blank: words that stand for a blank cell in this file (`NULL` of a database), and for nothing else.
        unused: why the file is known and not read; empty otherwise.
        since, until: first and last edition with such a file; empty for open.
    """

    id: str
    pattern: str
    totals_column: str | None
    totals_labels: tuple[str, ...]
    rows: tuple[tuple[dict[str, str], dict[str, list[tuple[str, str, str]]]], ...]
    computed: tuple[str, ...]
    left: tuple[str, ...]
    period: str
    unused: str
    since: str = ""
    until: str = ""
    blank: tuple[str, ...] = ()

    def matches(self, filename: str) -> bool:
        """Whether a file of this name is the one meant."""
        return fnmatchcase(filename.lower(), self.pattern.lower())

    @property
    def measures(self) -> tuple[str, ...]:
        """The measures that the file can give."""
        return tuple(dict.fromkeys(name for _, measures in self.rows for name in measures))

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that is read into a measure, of any edition."""
        pairs = [pairs for _, measures in self.rows for pairs in measures.values()]
        return tuple(dict.fromkeys(column for listed in pairs for column, _, _ in listed))

    def knows(self, column: str) -> bool:
        """Whether a column that gives no measure is known all the same."""
        return any(fnmatchcase(column, pattern) for pattern in self.computed + self.left)


@dataclass(frozen=True)
class Aliases:
    """One publication's names, in one version; `reference` begins the references of its vintages."""

    publication: str
    title: str
    version: str
    files: tuple[FileAlias, ...]
    reference: str = "EES"


def in_force(since: str, until: str, edition: str) -> bool:
    """Whether a name with these bounds (empty: open) is used in an edition (a year)."""
    return (not since or since <= edition) and (not until or edition <= until)


def _columns(entry: Any) -> list[tuple[str, str, str]]:
    found = []
    for item in entry if isinstance(entry, list) else [entry]:
        full = {"column": item} if isinstance(item, str) else item
        found.append((full["column"], str(full.get("since", "")), str(full.get("until", ""))))
    return found


def _file_alias(entry: dict[str, Any]) -> FileAlias:
    totals = entry.get("totals", {})
    blocks = entry.get("rows") or [{"where": {}, "measures": entry.get("measures", {})}]
    rows = tuple((block["where"], {name: _columns(item) for name, item in block["measures"].items()}) for block in blocks)
    lists = {key: tuple(str(item) for item in entry.get(key, ())) for key in ("computed", "left", "blank")}
    return FileAlias(
        id=entry["id"],
        pattern=entry["pattern"],
        totals_column=totals.get("column"),
        totals_labels=tuple(totals.get("labels", ())),
        rows=rows,
        period=entry.get("period", "as given"),
        unused=entry.get("unused", ""),
        since=str(entry.get("since", "")),
        until=str(entry.get("until", "")),
        **lists,
    )


@cache
def _aliases() -> dict[str, Aliases]:
    made = {}
    for name in _files("aliases"):
        document = _load(name)
        files = tuple(_file_alias(entry) for entry in document["files"])
        facts = (document["publication"], document["title"], str(document["version"]), files)
        made[document["publication"]] = Aliases(*facts, document.get("reference", "EES"))
    return made


def aliases(publication: str) -> Aliases:
    """The names that a publication uses.

    Raises:
        CatalogueError: the publication is not in the catalogue.
    """
    try:
        return _aliases()[publication]
    except KeyError:
        raise CatalogueError(
            f"There is no publication “{publication}”. The catalogue has: {', '.join(publications())}."
        ) from None


def publications() -> list[str]:
    """The publications whose files can be taken in."""
    return sorted(_aliases())
