"""What changed between two releases, cell by cell, and what that did to estimates."""

import json
from typing import Any

import pytest
from click.testing import CliRunner

from pilots import releases, restatements, runs
from pilots.__main__ import pilots
from pilots.access import LEAD, Actor, NotAllowed
from pilots.storage import Store
from tests.bundles.small import EHCP, RESEARCH, TERMS, plan, send, shaken

REGION = "E12000001"


def test_a_restatement_is_listed_with_its_cells_and_its_effect(
    stored_run: tuple[Store, runs.Run], ehcp_csv: Any, tmp_path: Any, monkeypatch: Any
) -> None:
    store, run = stored_run
    old = f"EHCP-PROCESS-{REGION}-2024-25-AUTUMN-v1"
    release = releases.release(store, RESEARCH, "first")
    rows = releases.collection_rows(store, release, EHCP)
    rows = rows[(rows["region"] == REGION) & (rows["period"] == TERMS[3])]
    before = {str(code): int(refused) for code, refused in zip(rows["authority"], rows["requests_refused"], strict=True)}
    content = shaken(ehcp_csv(REGION, TERMS[3], 121), 3)
    head, first, *rest = content.decode().splitlines()
    cells = first.split(",")
    code, at = cells[0], head.split(",").index("requests_refused")
    cells[at] = str(before[code] + 40)
    new = send(store, REGION, TERMS[3], "\n".join([head, ",".join(cells), *rest, ""]).encode(), "A correction.")
    late = send(store, "E12000009", TERMS[1], shaken(ehcp_csv("E12000009", TERMS[1], 115), 9))
    releases.make_release(store, RESEARCH, "second")

    found = restatements.compare_releases(store, RESEARCH, "first", "second")
    assert found.submissions == [
        {"kind": "replaced", "collection": EHCP, "region": REGION, "period": TERMS[3], "before": old, "after": new},
        {"kind": "added", "collection": EHCP, "region": "E12000009", "period": TERMS[1], "before": None, "after": late},
    ]
    assert found.vintages == [] and found.spells == []
    mine = [row for row in found.cells if row["outcome"] == "termly_requests_refused" and row["period"] == TERMS[3]]
    changed = {(row["authority"], row["part"]): (row["before"], row["after"]) for row in mine}
    assert changed[code, "numerator"] == (before[code], before[code] + 40)
    came = [row for row in found.cells if row["period"] == TERMS[1] and row["part"] == "numerator"]
    assert came and all(row["before"] is None and row["after"] is not None for row in came)
    back = restatements.compare_releases(store, RESEARCH, "second", "first")
    assert [row["kind"] for row in back.submissions] == ["replaced", "withdrawn"]
    assert restatements.compare_releases(store, RESEARCH, "first", "first").cells == []

    effect = restatements.restatement_effect(store, RESEARCH, "first", "second", plan())
    assert effect.runs[0].run_id == run.run_id, "a run that is there is taken as it is"
    headline = next(row for row in effect.estimates if row["estimator"].startswith("headline") and row["number"] == "estimate")
    assert headline["before"] == run.document["questions"][0]["headline"]["estimate"]
    assert headline["after"] == effect.runs[1].document["questions"][0]["headline"]["estimate"]
    assert headline["change"] == headline["after"] - headline["before"] != 0

    monkeypatch.setenv("PILOTS_DATABASE_URL", str(store.engine.url))
    written = tmp_path / "plan.yaml"
    written.write_text(plan().text)
    told = CliRunner().invoke(pilots, ["releases", "effect", "first", "second", "--plan", str(written), "--json"])
    assert json.loads(told.stdout)["estimates"] == effect.estimates
    told = CliRunner().invoke(pilots, ["releases", "compare", "first", "second"])
    assert found.words in told.stdout and "replaced" in told.stdout
    with pytest.raises(NotAllowed):
        restatements.compare_releases(store, Actor("lead", "A lead", LEAD, (REGION,)), "first", "second")
