"""What is found in a case file, in the table of findings that returns have. No finding holds a cell's text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import narwhals as nw

from data_contracts.caseforms import CaseForm, Fault, case_rule
from data_contracts.findings import Finding, built_in
from pilots.casereturns.expressions import FILE, OUTSIDE, REASON, ROW, Term
from pilots.casereturns.rows import Source, counted, prepared, with_reason

MOST_OF_ONE_REASON = 100
HIDDEN = "(not shown)"
# What these say is about a code or a name that the platform knows; anything else in the column may be a person's.
_KNOWN = {
    "values.other_region",
    "values.ended_code",
    "values.early_code",
    "values.recoded",
    "values.name_for_code",
    "values.code_case",
    "values.district_code",
    "values.other_nation",
    "values.region_code",
}


def authority_words(found: set[str | None], say: Callable[[str], tuple[str, dict[str, str]]]) -> dict[str | None, str]:
    """What is wrong with each text that stands where a code should, in the words of the check of returns."""
    said: dict[str | None, str] = {}
    for code in found:
        rule, words = say(code or "")
        shown = code if rule in _KNOWN else HIDDEN
        one = built_in(rule or "values.unknown_authority", **{**words, "value": shown, "column": "authority"})
        said[code] = one.message
    return said


def findings_of(
    form: CaseForm,
    period: str,
    left_out: Mapping[str, int],
    said: Mapping[str | None, str],
    ignored: int,
    absent: Mapping[str, str],
) -> list[Finding]:
    """What holds for the file as a whole: texts that are no code, rows of other terms, what the return cannot say."""
    messages = sorted(set(said.values()))
    found = [case_rule("cases.authority", said=message, column="authority") for message in messages[:MOST_OF_ONE_REASON]]
    if len(messages) > MOST_OF_ONE_REASON:
        found += [case_rule("cases.more", count=len(messages) - MOST_OF_ONE_REASON, other="cases.authority")]
    found += [case_rule("cases.no_cases", code=code, name=name, column="authority") for code, name in absent.items()]
    if left_out.get(OUTSIDE):
        found += [case_rule(OUTSIDE, count=f"{left_out[OUTSIDE]:,}", period=period)]
    if ignored:
        found += [case_rule("cases.ignored_columns", count=ignored)]
    return [*found, *[case_rule("cases.from_elsewhere", column=name, why=why) for name, why in form.outside.items()]]


def kept_findings(form: CaseForm, counts: Mapping[str, int]) -> list[Finding]:
    """Rows that count although something is odd about them, a finding for each fault."""
    faults = {fault.id: fault for fault in form.faults}
    return [
        Finding(name, "note", f"{faults[name].message} Rows: {many:,}.", faults[name].fix, column=faults[name].column)
        for name, many in counts.items()
        if many
    ]


def listed_rows(
    source: Source, form: CaseForm, matched: Mapping[str, str], good: Sequence[str], term: Term, counts: Mapping[str, int]
) -> list[Finding]:
    """Rows that were left out for a fault, with the numbers that a spreadsheet shows; at most so many of one reason.

    They are looked up only where there are any: engines that read in pieces know no row numbers.
    """
    reasons = [why for why in counts if why not in ("used", OUTSIDE)]
    if not reasons:
        return []
    several = len(source.files) > 1
    lazy, module = source.numbered()
    starts = source.starts()
    rows = with_reason(prepared(lazy, form, matched, numbered=True), form, good, term)
    found: list[Finding] = []
    for why in reasons:
        faulty = rows.filter(nw.col(REASON) == why).select(nw.col(ROW), nw.col(FILE)).head(MOST_OF_ONE_REASON)
        table = counted(faulty, module).sort_values(ROW)
        for row, file in table[[ROW, FILE]].itertuples(index=False):
            found.append(_of_row(form, why, int(row) - starts[str(file)], Path(str(file)).name if several else None))
        if counts[why] > len(table):
            found.append(case_rule("cases.more", count=f"{counts[why] - len(table):,}", other=why))
    return found


def _of_row(form: CaseForm, why: str, row: int, file: str | None) -> Finding:
    rule, _, column = why.partition("@")
    fault = next((one for one in form.faults if one.id == rule), None)
    if fault is not None:
        return _fault_of_row(fault, row, file)
    words: dict[str, Any] = {"column": column, "row": row, "sheet": file, "said": "See above what is wrong with it."}
    if rule in ("cases.not_a_number", "cases.not_a_choice", "cases.not_a_reference"):
        allowed = form.column(column).allowed
        words["allowed"] = allowed[:1].lower() + allowed[1:] if rule == "cases.not_a_number" else allowed
    return case_rule(rule, **words)


def _fault_of_row(fault: Fault, row: int, file: str | None) -> Finding:
    return Finding(fault.id, "query", fault.message, fault.fix, sheet=file, row=row, column=fault.column)
