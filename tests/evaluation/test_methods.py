from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import evaluation
from evaluation import ESTIMATORS, INFERENCES, families, robustness, sensitivity

PAGE = (Path(evaluation.__file__).parent / "METHODS.md").read_text(encoding="utf-8")
PARTS = ("Estimand", "Equation", "Standard error", "Degrees of freedom", "Refuses", "Reference", "Tolerance", "Breaks")

# Public functions that are told under the heading of another.
UNDER = {"spending": "plan_looks", "fieller": "cost_ratio", "regional_effects_of": "regional_effects", "stepdown": "family"}


def diagnostics() -> list[str]:
    """Exported functions that say something about a result."""
    rooms = ("evaluation.diagnostics", "evaluation.verdict", "evaluation.few_clusters")
    exported = {name: getattr(evaluation, name) for name in evaluation.__all__}
    found = [name for name, thing in exported.items() if inspect.isfunction(thing) and thing.__module__.startswith(rooms)]
    found.remove("few_clusters_by_outcome")  # stands under few_clusters
    for room in (robustness, sensitivity, families):
        found += [name for name in room.__all__ if inspect.isfunction(getattr(room, name))]
    return [name for name in found if name not in UNDER]


def section(name: str) -> str | None:
    found = re.search(rf"^### `{re.escape(name)}`\n(.*?)(?=^##|\Z)", PAGE, flags=re.MULTILINE | re.DOTALL)
    return found[1] if found else None


def test_diagnostics_are_found() -> None:
    known = {"pretrend_test", "smallest_detectable_effect", "leave_out", "verdict", "not_estimable_verdict"}
    assert known <= set(diagnostics())


@pytest.mark.parametrize("name", [*ESTIMATORS, *INFERENCES, *diagnostics()])
def test_everything_has_a_heading(name: str) -> None:
    text = section(name)
    assert text and len(text) > 40, f"METHODS.md has no section '### `{name}`'"


@pytest.mark.parametrize("name", list(ESTIMATORS))
def test_an_estimators_section_is_complete(name: str) -> None:
    text = section(name) or ""
    missing = [part for part in PARTS if f"- {part}: " not in text]
    assert not missing, f"METHODS.md, `{name}`: {', '.join(missing)} missing"


def test_a_missing_heading_would_be_found() -> None:
    assert section("an_estimator_of_tomorrow") is None


@pytest.mark.parametrize("name", list(ESTIMATORS))
def test_readers_are_told_its_name_and_what_it_assumes(name: str) -> None:
    assert ESTIMATORS[name].title and ESTIMATORS[name].assumes.endswith(".")
