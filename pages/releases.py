"""Two releases side by side: what came, what was restated, and what that did to a plan's estimates."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pages import _frame as frame
from pilots import plans, releases, restatements
from pilots.catalogue import reform_labels
from pilots.collections import returned_by_regions
from pilots.places import names, region_names
from pilots.restatements import ReleaseComparison

RETURNS = {
    "collection": "Collection",
    "region": "Region",
    "period": "Period",
    "kind": "Change",
    "before": "Before",
    "after": "Now",
}
SERIES = {"publication": "Publication", "edition": "Edition", "kind": "Change", "before": "Before", "after": "Now"}
SPELLS = {"authority": "Authority", "reform": "Reform", "start": "Start", "kind": "Change", "before": "Before", "after": "Now"}
CELLS = {
    "outcome_label": "Outcome",
    "authority_name": "Local authority",
    "period": "Period",
    "part": "Part",
    "before": "Before",
    "after": "Now",
    "change": "Change",
}
HEADLINE = {"number": "Number", "before": "Before", "after": "Now", "change": "Change"}
EFFECTS = {"estimator": "Estimator", "number": "Number", "before": "Before", "after": "Now", "change": "Change"}
WORDS = {"estimate": "effect", "std_error": "standard error", "p_value": "p-value", "lower": "lower end", "upper": "upper end"}


def number(value: Any) -> str:
    """A figure, or blank, for readers."""
    return "" if value is None else f"{value:,.6g}".replace("-", "\u2212")


def rounded(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows with their figures for readers."""
    return [{**row, **{name: number(row[name]) for name in ("before", "after", "change")}} for row in rows]


def called(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows in which codes and names of collections and reforms are told as readers know them."""
    known = {"collection": returned_by_regions(), "region": region_names(), "authority": names(), "reform": reform_labels()}
    return [{name: known[name].get(value, value) if name in known else value for name, value in row.items()} for row in rows]


def changes(found: ReleaseComparison) -> None:
    """Returns, series, spells and figures that changed."""
    st.write(found.words)
    lists: tuple[tuple[str, list[dict[str, Any]], dict[str, str]], ...] = (
        ("Returns", called(found.submissions), RETURNS),
        ("Published series", found.vintages, SERIES),
        ("Reform register", called(found.spells), SPELLS),
        ("Figures", rounded(found.cells), CELLS),
    )
    for title, rows, columns in lists:
        st.subheader(title)
        if rows:
            frame.long_table(frame.records(rows, columns), f"changed-{title.lower().replace(' ', '-')}", f"{title} that changed")
        else:
            st.write("None changed.")


def effects(before: str, after: str) -> None:
    """The same plan on both releases."""
    st.header("What it did to estimates")
    if not frame.may("evaluate"):
        st.write("Sign in as an evaluator or a researcher to estimate.")
        return
    known = [*plans.plans(frame.store(), frame.acting()), *plans.shipped_plans()]
    options = {f"{plan.title} ({plan.plan} {plan.version})": plan for plan in known}
    chosen = options[st.selectbox("Plan", list(options))]
    if not st.button("Estimate on both releases", type="primary"):
        return
    found = frame.with_progress(
        lambda tell: restatements.restatement_effect(frame.store(), frame.acting(), before, after, chosen, progress=tell),
        "Estimating on both releases",
    )
    st.write(f"Of what this plan reads. {found.comparison.words}")
    first, second = (run.document["questions"] for run in found.runs)
    for old, new in zip(first, second, strict=True):
        st.subheader(old["outcome_label"])
        st.markdown(f"Before: {old['verdict']['words']}\n\nNow: {new['verdict']['words']}")
        rows = [row for row in rounded(found.estimates) if row["outcome"] == old["outcome"]]
        named = [{**row, "estimator": row["estimator"].replace("_", " "), "number": WORDS[row["number"]]} for row in rows]
        headline = frame.records([row for row in named if row["estimator"].startswith("headline")], HEADLINE)
        frame.table(headline, f"The headline before and now: {old['outcome_label']}")
        others = [row for row in named if not row["estimator"].startswith("headline")]
        moved = sum(row["change"] not in ("", "0") for row in others)
        with st.expander(f"Every estimator under every clustering: {moved} of {len(others)} numbers changed"):
            words = f"Every estimator before and now: {old['outcome_label']}"
            frame.long_table(frame.records(others, EFFECTS), f"effect-{old['outcome']}", words)


def main() -> None:
    """Show the screen."""
    st.title("What changed between releases")
    made = releases.releases(frame.store(), frame.acting())
    if len(made) < 2:
        st.write("There are not two releases yet. A second one shows what was restated since the first.")
        return
    named = {release.id: release.name for release in made}
    left, right = st.columns(2)
    after = right.selectbox("To", list(named), format_func=named.__getitem__)
    earlier = [name for name in named if name != after]
    before = left.selectbox("From", earlier, format_func=named.__getitem__)
    st.header("What changed")
    changes(restatements.compare_releases(frame.store(), frame.acting(), before, after))
    effects(before, after)


frame.show(main)
