"""What every screen shares: the store, who is signed in, the look, and how tasks, pictures and faults are shown.

Screens hold no SQL and no arithmetic: they call the tasks of `pilots` and show what comes back.
"""

from __future__ import annotations

import gc
import html
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pandas
import streamlit as st
from streamlit.runtime.pages_manager import PagesManager

from pages._identity import FAILED, NOTE, SIGNED_OUT, configured, identity, is_local_key, local_cookie
from pilots import sessions
from pilots.access import RESEARCHER, Actor, actor_can
from pilots.accounts import development_sign_in
from pilots.charts import Picture
from pilots.demonstration.known import is_demonstration
from pilots.errors import UserError
from pilots.places import region_names
from pilots.sessions import LONGEST_PAUSE, Identity, IdentityError, Standing
from pilots.sign_in import LOOPBACK, SignIn
from pilots.storage import Store
from pilots.storage.base import now
from pilots.tables import numeric, texts

SERVICE = "Regional expert partnerships: evidence"
VISITOR = Actor("visitor", "Visitor", RESEARCHER)
ROLE_WORDS = {
    "lead": "regional lead",
    "approver": "approver",
    "evaluator": "DfE evaluator",
    "researcher": "researcher",
    "administrator": "administrator",
}
FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Via")  # what proxies add
T = TypeVar("T")

STYLE = f"<style>{Path(__file__).with_name('style.css').read_text(encoding='utf-8')}</style>"
WIDE = 9  # columns beyond which a table is set smaller, so that it stays inside the page
# What stays on one line: 27 Dec 2026, 19:23 GMT, 2024/25 autumn.
_TOGETHER = re.compile(r"\b\d{2} [A-Z][a-z]{2} \d{4}\b|\b\d{2}:\d{2} [A-Z]{3}\b|\b\d{4}/\d{2} (autumn|spring|summer)\b")
SHOWN_ROWS = 40  # rows of a long table on the screen; the download has all


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
    """Whether this browser reached the server by a loopback address, the only way a development sign-in is offered.

    A proxy on this machine makes every browser look as if it were here: what it adds, and the page's own address, tell.
    """
    headers = st.context.headers
    page = urlsplit(headers.get("Origin") or "").hostname
    host = urlsplit(f"//{headers.get('Host') or ''}").hostname
    near = host in LOOPBACK and st.context.ip_address in (None, *LOOPBACK)
    return near and page in (None, *LOOPBACK) and not any(headers.get(name) for name in FORWARDED)


def has_link() -> bool:
    """Whether this browser opened the link that `pilots serve` printed; on the demonstration none is needed."""
    return synthetic() or is_local_key(st.context.cookies.get(local_cookie(st.context.headers.get("Host"))))


def development() -> bool:
    """Whether this browser may choose an account without a password: never where an identity provider is set up."""
    return configured() is None and on_loopback() and has_link()


def by_provider(look: Callable[[Store, Identity], Standing]) -> Standing:
    """How the reader stands whom an identity provider vouches for, as `pilots.sessions.standing` or `step` tells it."""
    try:
        who = identity(st.context.cookies)
    except IdentityError as fault:
        return Standing(None, str(fault))
    return Standing(None) if who is None else look(store(), who)


def signed_in() -> Actor | None:
    """Who is signed in, read afresh from the store at every rerun, so that a role taken away is gone at once."""
    if configured() is not None:
        return by_provider(sessions.standing).actor
    subject = st.session_state.get("subject")
    if subject is None or not development() or idle():
        return None
    return next((actor for actor in development_sign_in(store()) if actor.subject == subject), None)


def idle() -> bool:
    """Whether so long has passed since the last step that it may be somebody else who sits there now."""
    return now() - st.session_state.get("last_step", now()) > LONGEST_PAUSE


def step_taken() -> None:
    """Note that somebody did something; who paused too long, or whose account is closed, is signed out and told so."""
    if configured() is not None:
        st.session_state["signed_out"] = by_provider(sessions.step).why
        return
    if "subject" in st.session_state and signed_in() is None:
        why = sessions.PAUSED if idle() else "the account was closed, or this is not the machine it signs in on"
        st.session_state["signed_out"] = why
        del st.session_state["subject"]
    st.session_state["last_step"] = now()


def way_in(provider: SignIn) -> None:
    """The way to the identity provider."""
    st.write(f"You sign in at {urlsplit(provider.metadata_url).hostname}, which brings you back here.")
    if st.button("Sign in", type="primary"):
        st.login()
    st.caption("You are signed out after an hour without a step, and eight hours after you signed in.")


def no_way_in() -> None:
    """Why this browser is not offered the development sign-in, and what to do."""
    if on_loopback():
        st.write("To sign in, open the link that `pilots serve` wrote on the terminal when it started: it has a key at its end.")
        return
    st.write("No sign-in is set up for browsers on other machines. Open it on the machine where it runs.")
    st.caption("Whoever runs this server can set one up: docs/operators.md says how.")


def way_out() -> str:
    """What the screen is called by which somebody who is signed in goes."""
    return "Sign out, or change account" if configured() is None else "Sign out"


def told_signed_out() -> None:
    """Why nobody is signed in any more, or not yet."""
    why = st.session_state.pop("signed_out", None)
    if why == sessions.NO_ACCOUNT:
        no_account()
    elif why:
        kept = "What you sent is stored, and so are explanations that you kept. Enter anything else again."
        boxed("error", "You are signed out", [f"You were signed out: {why}.", kept])
    elif configured() is not None and signed_in() is None:
        note = st.context.cookies.get(NOTE)
        if note == SIGNED_OUT:
            boxed("done", "You have signed out", ["If others use this computer, close the browser too."])
        elif note == FAILED:
            again = "Try again. If it happens again, tell the administrator of this service."
            boxed("error", "You were not signed in", ["You came back without a sign-in, or it could not be checked.", again])


def no_account() -> None:
    """What to do for somebody whom the provider knows and this platform does not."""
    who = identity(st.context.cookies)
    if who is None:
        return
    words = f"{urlsplit(who.issuer).hostname or who.issuer} says who you are, but there is no account for you here."
    boxed("error", "You cannot use this service yet", [words, "Send these two lines to its administrator, then sign in again."])
    table(facts(f"Issuer: {who.issuer}\nSubject: {who.subject}", "What to send"), "What to send to the administrator")


def reader() -> Actor | None:
    """Who reads: whoever is signed in; on the demonstration, any visitor, since nothing in it is real."""
    return signed_in() or (VISITOR if synthetic() else None)


def acting() -> Actor:
    """Who acts on a screen that is shown to readers only.

    Raises:
        UserError: nobody is signed in any more.
    """
    actor = reader()
    if actor is None:
        raise UserError("You are not signed in any more. Sign in again.")
    return actor


def may(action: str, region: str | None = None) -> bool:
    """Whether to show what needs this action; the task checks it again."""
    actor = reader()
    return actor is not None and actor_can(actor, action, region)


def show(main: Callable[[], None]) -> None:
    """Run a screen, with what its reader can put right shown as a message.

    Streamlit takes a folder named `pages` for its older kind of app, until `st.navigation` is called for the first time. A
    browser that opens a screen's own address before that would see it without the front door (app.py): it is sent there.
    """
    if PagesManager.uses_pages_directory:
        PagesManager.uses_pages_directory = False
        st.rerun()
    with faults_shown():
        main()


def look() -> None:
    """What all screens look like."""
    st.html(STYLE)


def header() -> None:
    """On synthetic data the banner that says so."""
    if synthetic():
        banner("Demonstration. Every figure on this screen is synthetic: names and codes are real, numbers are not.")


def described(actor: Actor) -> str:
    """Who somebody is: name, role and regions; what the name says already is not said twice."""
    names, known = region_names(), actor.name.casefold()
    role = [] if actor.role in known else [ROLE_WORDS[actor.role]]
    regions = [name for name in (names.get(code, code) for code in actor.regions) if name.casefold() not in known]
    return ", ".join([actor.name, *role, *regions])


def banner(text: str) -> None:
    """A quiet strip across the page."""
    st.html(f'<div class="rep-banner" role="note"><strong>{html.escape(text)}</strong></div>')


def verdict(about: str, words: str, number: str) -> None:
    """The headline of a result: what it is about, what is said, and the number behind it."""
    lines = zip(("about", "words", "number"), (about, words, number), strict=True)
    st.html(
        '<div class="rep-verdict">' + "".join(f'<p class="{kind}">{html.escape(line)}</p>' for kind, line in lines) + "</div>"
    )


def warning(text: str) -> None:
    """One warning that belongs to a result."""
    st.html(f'<div class="rep-warning" role="note"><p><strong>Warning:</strong> {html.escape(text)}</p></div>')


def boxed(kind: str, title: str, lines: Sequence[str] = ()) -> None:
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

    def tell(share: float, words: str = "") -> None:
        bar.progress(min(max(share, 0.0), 1.0), text=words or text)

    try:
        return work(tell)
    finally:
        bar.empty()


def picture(shown: Picture, key: str) -> None:
    """A chart with its title, alt text, table and CSV."""
    st.subheader(shown.title)
    st.vega_lite_chart(shown.spec, theme=None, alt=shown.alt, width="stretch", key=f"chart-{key}")
    if shown.note:
        st.caption(shown.note)
    with st.expander("Table and description"):
        st.write(shown.alt)
        table(shown.table, shown.title)
        download(shown.table, key)


def table(frame: pandas.DataFrame, caption: str) -> None:
    """A real table, with scopes for screen readers; on a narrow screen each row becomes a card.

    Args:
        frame: what it shows.
        caption: what the table is, for screen readers: for readers who see, the heading above it says so.
    """
    rows = texts(frame)
    names, right = [html.escape(str(name)) for name in frame.columns], numeric(rows)
    head = "".join(
        f'<th scope="col" role="columnheader"{_aligned(to_right)}>{name}</th>'
        for name, to_right in zip(names, right or [False] * len(names), strict=True)
    )
    body = "".join(f'<tr role="row">{_cells(row, names, right)}</tr>' for row in rows)
    kind = "rep-table wide" if len(names) > WIDE else "rep-table"
    st.html(
        f'<table class="{kind}" role="table"><caption>{html.escape(caption)}</caption>'
        f'<thead role="rowgroup"><tr role="row">{head}</tr></thead>'
        f'<tbody role="rowgroup">{body}</tbody></table>'
    )


def _cells(row: list[str], names: list[str], right: list[bool]) -> str:
    # A first cell that is a number says nothing by itself: on a narrow screen it needs its heading too.
    label = f' data-label="{names[0]}"' if right[0] else ""
    first = f'<th scope="row" role="rowheader"{label}{_aligned(right[0])}>{_breakable(row[0])}</th>'
    return first + "".join(
        f'<td role="cell"{_named(name, names)}{_aligned(to_right)}>{_breakable(cell)}</td>'
        for cell, name, to_right in list(zip(row, names, right, strict=True))[1:]
    )


def _named(name: str, names: list[str]) -> str:
    """The heading that a cell carries on a narrow screen; where there are two columns, the first says it all."""
    return f' data-label="{name}"' if len(names) > 2 else ""


def _breakable(cell: str) -> str:
    """A cell made safe to show; long names may break after their underscores, dates and terms do not break."""
    return _TOGETHER.sub(lambda found: found[0].replace(" ", "\N{NO-BREAK SPACE}"), html.escape(cell).replace("_", "_<wbr>"))


def _aligned(to_right: bool) -> str:
    return ' class="number"' if to_right else ""


def long_table(frame: pandas.DataFrame, name: str, caption: str, whole: pandas.DataFrame | None = None) -> None:
    """The first rows of a table on the screen, and all of it as a download.

    Args:
        frame: what the screen shows.
        name: of the download.
        caption: what the table is.
        whole: what the download has, where that is more rows or more columns than the screen is given.
    """
    everything, columns = (frame, "") if whole is None else (whole, ", with every column")
    if len(everything) > SHOWN_ROWS:
        st.caption(f"The first {SHOWN_ROWS} of {len(everything):,} rows. The download has all{columns}.")
    table(frame.head(SHOWN_ROWS), caption)
    download(everything, name)


def download(frame: pandas.DataFrame, name: str, label: str = "Download this table (CSV)") -> None:
    """A CSV of a table, with a byte order mark so that spreadsheets read it right."""
    st.download_button(label, frame.to_csv(index=False).encode("utf-8-sig"), f"{name}.csv", "text/csv", key=f"csv-{name}")


def go_to(page: str) -> None:
    """Open another screen, after who is signed in has changed; "" is the reader's first one."""
    st.session_state["go_to"] = page
    st.rerun()


def sign_in(subject: str, page: str = "") -> None:
    """Sign in with a development account and open a screen."""
    st.session_state["subject"] = subject
    go_to(page)


def records(rows: list[dict[str, Any]], columns: dict[str, str]) -> pandas.DataFrame:
    """Rows as a table with readers' column names, in the order given."""
    return pandas.DataFrame(
        [{words: row.get(name) for name, words in columns.items()} for row in rows], columns=list(columns.values())
    )


def facts(text: str, heading: str) -> pandas.DataFrame:
    """Lines of the form “what: value” as a table; `heading` stands over the first column."""
    pairs = [line.partition(": ") for line in text.splitlines()]
    return pandas.DataFrame([(what, value) for what, _, value in pairs], columns=[heading, "Value"])
