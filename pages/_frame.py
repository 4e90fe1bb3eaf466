"""What every screen shares: the store, who is signed in, the look, and how tasks, pictures and faults are shown.

Screens hold no SQL and no arithmetic: they call the tasks of `pilots` and show what comes back.
"""

from __future__ import annotations

import gc
import html
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import pandas
import streamlit as st
from pilots.accounts import development_sign_in
from pilots.demonstration import is_demonstration

from pilots.access import RESEARCHER, Actor, actor_can
from pilots.charts import Picture
from pilots.errors import UserError
from pilots.storage import Store

SERVICE = "Regional expert partnerships: evidence"
VISITOR = Actor("visitor", "Visitor", RESEARCHER)
ROLE_WORDS = {
    "lead": "regional lead",
    "evaluator": "DfE evaluator",
    "researcher": "researcher",
    "administrator": "administrator",
}
LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "::1")
T = TypeVar("T")

STYLE = """<style>
:root { --brand: #1d70b8; --ink: #0b0c0c; --quiet: #505a5f; }
.block-container { max-width: 68rem; padding-top: 4.5rem; }
html, body, [class*="st-"], button, input, select, textarea { font-family: Arial, Helvetica, sans-serif; }
[data-testid="stIconMaterial"] { font-family: "Material Symbols Rounded"; }
h1 { font-size: 2.2rem !important; line-height: 1.15 !important; }
h2 { font-size: 1.5rem !important; margin-top: 1.2rem; }
h3 { font-size: 1.2rem !important; }
[data-testid="stCaptionContainer"], [data-testid="stCaptionContainer"] p { color: var(--quiet) !important; opacity: 1 !important; }
a:focus-visible, button:focus-visible, [role="tab"]:focus-visible { outline: 3px solid #ffdd00 !important; box-shadow: 0 0 0 5px var(--ink) !important; }
.rep-banner { border-left: 10px solid var(--brand); background: #eef7ff; padding: .7rem 1rem; margin: 0 0 1rem 0; color: var(--ink); }
.rep-verdict { border: 5px solid var(--brand); padding: 1rem 1.3rem; margin: .5rem 0 1rem 0; color: var(--ink); }
.rep-verdict .words { font-size: 1.6rem; font-weight: 700; line-height: 1.25; }
.rep-verdict .number { font-size: 1.15rem; margin-top: .5rem; }
.rep-warning { border-left: 10px solid #f47738; padding: .5rem 1rem; margin: .4rem 0; color: var(--ink); }
.rep-error { border: 5px solid #ca3535; padding: .8rem 1.1rem; margin: .5rem 0 1rem 0; color: var(--ink); }
.rep-done { border: 5px solid #0f7a52; padding: .8rem 1.1rem; margin: .5rem 0 1rem 0; color: var(--ink); overflow-wrap: anywhere; }
.rep-banner p, .rep-error p, .rep-done p { margin: .2rem 0; }
code { overflow-wrap: anywhere; color: var(--ink) !important; }
[data-testid="stTable"] { overflow-x: auto; }
[data-testid="stTable"] td, [data-testid="stTable"] th { color: var(--ink) !important; font-size: .95rem; }
@media (max-width: 640px) { h1 { font-size: 1.6rem !important; } .rep-verdict .words { font-size: 1.25rem; } .block-container { padding-left: 1rem; padding-right: 1rem; } }
</style>"""


@st.cache_resource(show_spinner=False)
def store() -> Store:
    """The store that this server shows, opened once."""
    opened = Store.open()
    # Streamlit collects all garbage after every rerun; what the imports left behind is frozen out of that, once.
    gc.collect()
    gc.freeze()
    return opened


@st.cache_data(show_spinner=False)
def synthetic() -> bool:
    """Whether the store holds the synthetic demonstration programme."""
    return is_demonstration(store())


def on_loopback() -> bool:
    """Whether this browser reached the server by a loopback address, the only way a development sign-in is offered."""
    address = (st.context.headers.get("Host") or "").rsplit(":", 1)[0]
    return address in LOOPBACK and (st.context.ip_address in (None, *LOOPBACK))


def signed_in() -> Actor | None:
    """Who is signed in, read afresh from the store at every rerun, so that a role taken away is gone at once."""
    subject = st.session_state.get("subject")
    if subject is None or not on_loopback():
        return None
    return next((actor for actor in development_sign_in(store()) if actor.subject == subject), None)


def reader() -> Actor | None:
    """Who reads: whoever is signed in; on the demonstration, any visitor, since nothing in it is real."""
    return signed_in() or (VISITOR if synthetic() else None)


def may(action: str, region: str | None = None) -> bool:
    """Whether to show what needs this action; the task checks it again."""
    actor = reader()
    return actor is not None and actor_can(actor, action, region)


def header() -> None:
    """The look, and on synthetic data the banner that says so."""
    st.html(STYLE)
    if synthetic():
        banner("Demonstration. Every figure on this screen is synthetic: names and codes are real, numbers are not.")


def banner(text: str) -> None:
    """A quiet strip across the page."""
    st.html(f'<div class="rep-banner" role="note"><strong>{html.escape(text)}</strong></div>')


def warning(text: str) -> None:
    """One warning that belongs to a result."""
    st.html(f'<div class="rep-warning" role="note"><strong>Warning:</strong> {html.escape(text)}</div>')


def boxed(kind: str, title: str, lines: list[str]) -> None:
    """An error summary or a confirmation: `kind` is "error" or "done"."""
    role = "alert" if kind == "error" else "status"
    body = "".join(f"<p>{html.escape(line)}</p>" for line in lines)
    st.html(f'<div class="rep-{kind}" role="{role}"><p><strong>{html.escape(title)}</strong></p>{body}</div>')


@contextmanager
def faults_shown() -> Iterator[None]:
    """Show what the user can put right as a message; let our own bugs through to the server's log."""
    try:
        yield
    except UserError as fault:
        boxed("error", "There is a problem", str(fault).splitlines())


def with_progress(work: Callable[[Callable[[float, str], None]], T], text: str) -> T:
    """Run work that takes a while, showing how far it is."""
    bar = st.progress(0.0, text=text)
    try:
        return work(lambda share, words="": bar.progress(min(max(share, 0.0), 1.0), text=words or text))
    finally:
        bar.empty()


def picture(shown: Picture, key: str) -> None:
    """A chart with its title, alt text, table and CSV."""
    st.subheader(shown.title)
    st.vega_lite_chart(shown.spec, theme=None, alt=shown.alt, width="stretch", key=f"chart-{key}")
    with st.expander(f"Table and description: {shown.title}"):
        st.write(shown.alt)
        table(shown.table)
        download(shown.table, key)


def table(frame: pandas.DataFrame) -> None:
    """A real table, with scopes for screen readers."""
    st.table(frame.set_index(frame.columns[0]), border="horizontal")


def download(frame: pandas.DataFrame, name: str, label: str = "Download this table (CSV)") -> None:
    """A CSV of a table, with a byte order mark so that spreadsheets read it right."""
    st.download_button(label, frame.to_csv(index=False).encode("utf-8-sig"), f"{name}.csv", "text/csv", key=f"csv-{name}")


def records(rows: list[dict[str, Any]], columns: dict[str, str]) -> pandas.DataFrame:
    """Rows as a table with readers' column names, in the order given."""
    return pandas.DataFrame(
        [{words: row.get(name) for name, words in columns.items()} for row in rows], columns=list(columns.values())
    )
