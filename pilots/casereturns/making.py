"""From a case-level file to the return of a region for a term, with an account of every row; the store is not touched."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import narwhals as nw

from data_contracts import Context, Contract, ContractError, check, load_contract
from data_contracts.caseforms import CaseForm, load_case_form
from data_contracts.codes import Codes
from data_contracts.findings import Finding
from evaluation import PanelError
from evaluation.cells import Cells, cells
from pilots.access import Actor, check_actor_can
from pilots.casereturns.account import CaseAccount
from pilots.casereturns.expressions import OUTSIDE, REASON, Term, all_of, outcomes
from pilots.casereturns.figures import Figures, return_csv, totals_of
from pilots.casereturns.findings import authority_words, findings_of, kept_findings, listed_rows
from pilots.casereturns.rows import Source, counted, headings_of, prepared, refuse_values, source_of, unreadable, with_reason
from pilots.errors import UserError
from pilots.periods import london_day, parse
from pilots.places import authorities, current_authorities
from pilots.storage.base import now
from pilots.targets import Target, target_of

Tell = Callable[[float, str], None]
SMALL_SOURCE = 100 * 2**20  # bytes up to which polars reads a case file unless told otherwise


@dataclass(frozen=True)
class Asked:
    """What is to be made.

    Attributes:
        collection: the return.
        region: code of the region (E12…).
        period: the term, such as `2024/25 autumn`.
        figures: figures that no case tells, by (authority, column).
        no_cases: authorities that truly had no case: their figures are 0 and not x.
    """

    collection: str
    region: str
    period: str
    figures: Mapping[tuple[str, str], str] = field(default_factory=dict)
    no_cases: tuple[str, ...] = ()


@dataclass(frozen=True)
class MadeReturn:
    """A return made of cases.

    Attributes:
        content: the return as CSV in UTF-8.
        account: what became of the rows.
    """

    content: bytes
    account: CaseAccount


@dataclass(frozen=True)
class _Counts:
    """Rows by authority as it stands in the file and by reason (None: used)."""

    rows: Counter[tuple[str | None, str | None]]

    def of(self, authority: str) -> dict[str, int]:
        found: Counter[str] = Counter()
        for (code, why), many in self.rows.items():
            if code == authority:
                found[why or "used"] += many
        return dict(found)

    @property
    def by_reason(self) -> dict[str, int]:
        found: Counter[str] = Counter()
        for (_, why), many in self.rows.items():
            found[why or "used"] += many
        return dict(found)


def make_return(
    actor: Actor,
    source: Path,
    asked: Asked,
    engine: str | None = None,
    options: Mapping[str, Any] | None = None,
    progress: Tell = lambda share, what: None,
) -> MadeReturn:
    """Make a region's return of its cases. Nothing is kept or written: the caller has the return and the account.

    Args:
        actor: who asks.
        source: a CSV, Parquet or XLSX file, or a folder of CSV or Parquet files.
        asked: which return, for whom and when.
        engine: duckdb, polars or spark; None takes polars for a source of up to 100 MB and duckdb for a larger one, or where
            there are settings. The return is the same.
        options: settings of the engine.
        progress: told the share that is done and what comes next.

    Raises:
        NotAllowed: the actor may not, or not for this region.
        UserError: there is no such return, the file holds identifiers of persons, lacks columns or cannot be read.
    """
    check_actor_can(actor, "make_cells", asked.region)
    form, target = _form(asked)
    codes = _codes_of(target)
    _check_asked(asked, form, codes)
    progress(0.0, "Reading the headings")
    rows = source_of(source, engine or _engine_for(source, options), options or {}, form)
    matched, others = headings_of(rows, form)
    progress(0.1, "Looking for identifiers")
    refuse_values(rows, [*matched.values(), *others])
    progress(0.4, "Adding up")
    made = _made(rows, form, target, matched, codes, asked)
    progress(0.9, "Checking the return")
    account = _account(made, rows, form, target, asked, len(others), codes)
    progress(1.0, "Done")
    return account


def _engine_for(source: Path, options: Mapping[str, Any] | None) -> str:
    """Polars reads a small file in a sixth of the time that duckdb takes to plan it; duckdb needs less memory for a large one."""
    files = [source] if source.is_file() else [path for path in source.rglob("*") if path.is_file()]
    return "duckdb" if options or sum(path.stat().st_size for path in files) > SMALL_SOURCE else "polars"


def _form(asked: Asked) -> tuple[CaseForm, Target]:
    try:
        form = load_case_form(asked.collection)
    except ContractError as error:
        raise UserError(str(error)) from error
    target = target_of(asked.collection, asked.region, asked.period)
    return form, Target(load_contract(asked.collection, form.contract), target.region, target.period)


def _codes_of(target: Target) -> dict[str, str]:
    """Name by code of the region's authorities in the term: the rows of the return."""
    table = current_authorities(parse(target.period).end)
    mine = table[table["region"] == target.region].sort_values("authority")
    return dict(zip(mine["authority"], mine["name"], strict=True))


def _check_asked(asked: Asked, form: CaseForm, codes: Mapping[str, str]) -> None:
    unknown = sorted({*asked.no_cases, *(code for code, _ in asked.figures)} - set(codes))
    if unknown:
        raise UserError(f"{', '.join(unknown)} is no authority of this region in the term. They are: {', '.join(codes)}.")
    odd = sorted({column for _, column in asked.figures} - set(form.outside))
    if odd:
        known = ", ".join(form.outside) or "none"
        raise UserError(f"{', '.join(odd)} is made of cases, or is no column of the return. What can be given is: {known}.")


@dataclass(frozen=True)
class _Made:
    counts: _Counts
    figures: Figures
    kept: dict[str, int]
    said: dict[str | None, str]
    listed: list[Finding]


def _made(
    rows: Source, form: CaseForm, target: Target, matched: Mapping[str, str], codes: Mapping[str, str], asked: Asked
) -> _Made:
    when = parse(target.period)
    term = Term(when.start, when.end)
    lazy, module = rows.lazy()
    ready = with_reason(prepared(lazy, form, matched), form, list(codes), term)
    grouped = counted(ready.group_by("authority", REASON).agg(nw.len().alias("rows")), module)
    counts = _Counts(Counter())
    for code, why, many in grouped[["authority", REASON, "rows"]].itertuples(index=False):
        counts.rows[(_text(code), _text(why))] += int(many)
    if not counts.rows:
        raise UserError("The file has headings and no rows. If there is nothing to return, use: pilots returns nil.")
    used = ready.filter(nw.col(REASON).is_null())
    many = counts.by_reason.get("used", 0)
    table = _cells(used, form, term, target.period) if many else None
    if table is not None and int(table.frame["count"].sum()) != many:
        raise UserError("The file changed while it was read. Make the return again when nobody writes to it.")
    figures = Figures(form, table, _others(used, module, form, term) if many else {})
    said = authority_words({code for (code, why) in counts.rows if (why or "").startswith("cases.authority")}, _words(target))
    return _Made(
        counts,
        figures,
        _kept(used, module, form, term),
        said,
        listed_rows(rows, form, matched, list(codes), term, counts.by_reason),
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _words(target: Target) -> Callable[[str], tuple[str, dict[str, str]]]:
    codes = Codes(authorities())
    return lambda code: codes.say(code, target.period, target.region)


def _cells(used: Any, form: CaseForm, term: Term, period: str) -> Cells:
    """Sums of all linear figures: the scan that makes cells of pupils and of cases alike."""
    made = outcomes(form, term)
    keys = [nw.col("authority"), nw.lit(period).alias("period"), *[nw.col(name).alias(f"by_{name}") for name in form.strata]]
    frame = used.select(*keys, *[one.alias(name) for name, one in made.items()])
    strata = [f"by_{name}" for name in form.strata]
    try:
        return cells(frame.to_native(), "authority", "period", list(made), strata=strata, cross=False, pivots=0.0)
    except PanelError as error:
        raise unreadable(error) from None


def _others(used: Any, module: Any, form: CaseForm, term: Term) -> dict[str, dict[tuple[str, ...], float]]:
    """Medians and numbers of different values, by figure and by authority and strata: no sums of cells give these."""
    keys = ["authority", *form.strata]
    found = {}
    for figure in form.figures:
        if figure.linear:
            continue
        value = nw.col("value")
        rows = used.filter(all_of(form, figure.where, term))
        rows = rows.select(*[nw.col(key) for key in keys], nw.col(figure.of).alias("value")).filter(~value.is_null())
        grouped = rows.group_by(*keys).agg((value.median() if figure.way == "median" else value.n_unique()).alias("made"))
        table = counted(grouped, module)
        found[figure.name] = {
            tuple(line[:-1]): float(line[-1]) for line in table[[*keys, "made"]].itertuples(index=False, name=None)
        }
    return found


def _kept(used: Any, module: Any, form: CaseForm, term: Term) -> dict[str, int]:
    """Rows that count although something is odd about them, by fault."""
    faults = [fault for fault in form.faults if fault.keeps]
    if not faults:
        return {}
    flags = [nw.when(all_of(form, one.where, term)).then(nw.lit(1)).otherwise(nw.lit(0)).sum().alias(one.id) for one in faults]
    line = counted(used.select(*flags), module).iloc[0]
    return {one.id: 0 if line[one.id] != line[one.id] else int(line[one.id]) for one in faults}


def _account(
    made: _Made, rows: Source, form: CaseForm, target: Target, asked: Asked, ignored: int, codes: Mapping[str, str]
) -> MadeReturn:
    contract: Contract = target.contract
    by_reason = made.counts.by_reason
    left_out = {why: many for why, many in sorted(by_reason.items()) if why != "used"}
    in_file = {code for code, _ in made.counts.rows}
    absent = [code for code in codes if code not in in_file and code not in asked.no_cases]
    notes = {code: _note(made.counts.of(code)) for code in codes}
    content = return_csv(contract, form, made.figures, target.period, list(codes), absent, asked.figures, notes).encode()
    name = f"{form.collection}.csv"
    # Codes and dates are checked as on the way in; what came before is in the store, which is not opened here.
    report = check(contract, name, content, Context(target.region, target.period, authorities(), today=london_day(now())))
    found = [
        *findings_of(form, target.period, left_out, made.said, ignored, {code: codes[code] for code in absent}),
        *kept_findings(form, made.kept),
        *made.listed,
    ]
    account = CaseAccount(
        collection=form.collection,
        contract=contract.version,
        form=form.version,
        region=target.region,
        period=target.period,
        engine=rows.engine,
        files=len(rows.files),
        rows=sum(by_reason.values()),
        used=by_reason.get("used", 0),
        left_out=left_out,
        by_authority=[_of_authority(code, name, made.counts.of(code)) for code, name in codes.items()],
        totals=totals_of(contract, form, content.decode()),
        findings=tuple(found),
        check={
            "summary": report.summary(),
            "errors": len(report.errors),
            "queries": len(report.queries),
            "notes": len(report.notes),
            "findings": report.to_dict()["findings"],
        },
        sha256=hashlib.sha256(content).hexdigest(),
    )
    return MadeReturn(content, account)


def _of_authority(code: str, name: str, counts: Mapping[str, int]) -> dict[str, Any]:
    used, outside = counts.get("used", 0), counts.get(OUTSIDE, 0)
    rows = sum(counts.values())
    return {
        "authority": code,
        "name": name,
        "rows": rows,
        "used": used,
        "other_terms": outside,
        "left_out": rows - used - outside,
    }


def _note(counts: Mapping[str, int]) -> str:
    """What the return says of rows that were left out for a fault: the figures are that much too low."""
    faulty = sum(many for why, many in counts.items() if why not in ("used", OUTSIDE))
    return f"Made from cases. Rows left out because something in them was wrong: {faulty}." if faulty else ""
