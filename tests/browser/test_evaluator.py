"""What an evaluator sees of a run with every part: each section in a real browser, at both widths, by keyboard as well."""

import importlib.util
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pilots.access import LOCAL_ADMINISTRATOR
from pilots.accounts import add_development_accounts
from pilots.storage import Store, evaluations

pytestmark = pytest.mark.browser

SECTIONS = (
    ("What happened", "Effect by terms since the start"),
    ("Where", "This is no league table"),
    ("Whether to believe it", "The effect beside what chance alone would give"),
    ("What could be seen", "How often an effect of each size would be seen"),
    ("Other choices", "The effect under other reasonable choices"),
    ("Harms", "Harm beyond the margin ruled out"),
    ("Leads and partners", "Leads and partners apart"),
    ("What it is made of", "Who is compared with whom"),
)
# Words of one chart that lie over each other, the white copies below them aside, and legends or labels cut at an edge.
OVERLAPS = """() => [...document.querySelectorAll('[data-testid="stVegaLiteChart"] svg')].flatMap(svg => {
  const edge = svg.getBoundingClientRect();
  // A label that the axis leaves out stands there unseen.
  const told = [...svg.querySelectorAll('text')]
    .filter(one => one.textContent.trim() && one.getAttribute('stroke') !== '#ffffff' && one.getAttribute('opacity') !== '0')
    .map(one => [one.textContent, one.getBoundingClientRect()]).filter(([, box]) => box.width > 0 && box.height > 0);
  const cut = told.filter(([words, box]) => box.right > edge.right + 3 || box.left < edge.left - 3 || words.includes('\\u2026'))
    .map(([words]) => `cut: ${words}`);
  const over = told.flatMap(([words, a], at) => told.slice(at + 1)
    .filter(([, b]) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2
      && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 4)
    .map(([other]) => `over each other: ${words} and ${other}`));
  return [...cut, ...over];
})"""


def full_document() -> dict[str, Any]:
    path = Path(__file__).parents[1] / "faces" / "filled.py"
    spec = importlib.util.spec_from_file_location("browser_filled", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.run_document([module.filled(module.small())])  # type: ignore[no-any-return]


@pytest.fixture
def full_url(tmp_path: Path) -> str:
    """The URL of a store with one run that has every part."""
    url, document = f"sqlite:///{tmp_path / 'full.sqlite'}", full_document()
    store = Store.open(url)
    add_development_accounts(store, LOCAL_ADMINISTRATOR)
    detail = {name: document[name] for name in ("plan_digest", "release_digest", "code_version", "results_digest")}
    with store.write(LOCAL_ADMINISTRATOR, "evaluate", document["run_id"], detail) as connection:
        evaluations.add_run(
            connection,
            run_id=document["run_id"],
            plan="lists",
            plan_text="",
            release_id="R",
            made_at=datetime(2025, 9, 1, tzinfo=UTC),
            made_by="evaluator",
            document=document,
            **detail,
        )
    store.close()
    return url


@pytest.mark.slow
def test_every_section_is_readable_on_a_wide_and_a_narrow_screen(full_url: str, serve: Callable[..., str], looker: Any) -> None:
    looker.open(serve(full_url))
    looker.sign_in("DfE evaluator")
    assert looker.page.locator("h1").inner_text() == "What each reform did"
    assert looker.page.get_by_role("img", name="of 5 locks").count() == 1
    faults = []
    for at, (name, words) in enumerate(SECTIONS):
        looker.page.get_by_test_id("stRadio").get_by_text(name, exact=True).click()
        looker.sees(words)
        looker.look(f"3{at}-{name.lower().replace(' ', '-')}")
        for width, height in ((1280, 900), (360, 780)):
            looker.page.set_viewport_size({"width": width, "height": height})
            looker.settled()
            faults += [f"{name} at {width}: {fault}" for fault in looker.page.evaluate(OVERLAPS)]
        looker.page.set_viewport_size({"width": 1280, "height": 900})
        looker.settled()
    assert not faults, "\n".join(faults)


def test_sections_are_chosen_by_keyboard_and_kept_in_the_address(full_url: str, serve: Callable[..., str], looker: Any) -> None:
    address = serve(full_url)
    looker.open(address)
    looker.sign_in("DfE evaluator")
    looker.page.get_by_role("radio", name="What happened").focus()
    looker.does(lambda: looker.page.keyboard.press("ArrowRight"))
    looker.sees("This is no league table")
    looker.page.wait_for_url("**section=Where**")
    looker.page.get_by_text("Why ", exact=False).first.click()
    looker.settled()
    assert "Chosen by lot" in looker.text()
