"""The account of a return made of cases, for a terminal."""

from __future__ import annotations

import pandas

from data_contracts.found import Findings
from pilots.casereturns import CaseAccount
from pilots.commands.checked import FINDING_COLUMNS
from pilots.commands.text import table, wrapped

COLUMNS = {
    "authority": "Authority",
    "name": "Name",
    "rows": "Rows read",
    "used": "Used",
    "other_terms": "In no figure of the term",
    "left_out": "Left out for a fault",
}


def account_text(account: CaseAccount) -> str:
    """What became of the rows, what was found, and what to do next."""
    left = sum(account.left_out.values())
    lines = [
        wrapped(f"{account.rows:,} rows read: {account.used:,} used, {left:,} left out. The return is in {account.output}."),
        *[f"  {many:,} left out: {why}" for why, many in account.left_out.items()],
        "",
        table(pandas.DataFrame(account.by_authority, columns=list(COLUMNS)).rename(columns=COLUMNS)),
    ]
    if account.findings:
        frame = Findings.of(account.findings).table.to_pandas().astype({"row": "Int64"})
        shown = frame[[name for name in FINDING_COLUMNS if name != "value"]].astype(object)
        lines += ["", "Found in the case file:", table(shown.rename(columns=FINDING_COLUMNS))]
    lines += ["", wrapped(f"Check of the return: {account.check['summary']}"), f"SHA-256 {account.sha256}"]
    place = f'--collection {account.collection} --region {account.region} --period "{account.period}"'
    return "\n".join([*lines, f"Next: pilots check {account.output} {place}"])
