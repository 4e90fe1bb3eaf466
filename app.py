"""The platform's front door: which screens there are, and who sees which."""

import streamlit as st

from pages import _frame as frame
from pilots.access import Actor, actor_can

# One line a screen: file, title, and the action that its reader may do.
SCREENS = (
    ("pages/effects.py", "What each reform did", "read_runs"),
    ("pages/overview.py", "All reforms on one view", "read_runs"),
    ("pages/due.py", "Returns due", "read_returns"),
    ("pages/submit.py", "Send a return", "submit_return"),
    ("pages/returns_list.py", "Returns", "read_returns"),
    ("pages/contracts.py", "Contracts and templates", "read_returns"),
    ("pages/reform_register.py", "Reform register", "read_register"),
    ("pages/published_data.py", "Published data", "read_published"),
    ("pages/evaluate.py", "Releases, plans and runs", "read_releases"),
    ("pages/releases.py", "What changed between releases", "read_releases"),
)


def shown(action: str, reader: Actor | None) -> bool:
    """Whether the reader sees a screen; regional roles see one that is open for any of their regions."""
    return reader is not None and any(actor_can(reader, action, region) for region in (None, *reader.regions))


def main() -> None:
    """The chosen screen, or why there is none: nothing can be shown without the store."""
    st.set_page_config(page_title=frame.SERVICE, layout="wide")
    frame.look()
    with frame.faults_shown():
        front_door()


def front_door() -> None:
    """Lay out the navigation and run the chosen screen."""
    frame.step_taken()
    actor, reader = frame.signed_in(), frame.reader()
    pages = [st.Page(path, title=title) for path, title, action in SCREENS if shown(action, reader)]
    pages = pages or [st.Page("pages/start.py", title="Start")]
    pages.append(st.Page("pages/sign_in.py", title=frame.way_out() if actor else "Sign in"))
    chosen = st.navigation(pages)
    st.sidebar.markdown(f"**{frame.SERVICE}**")
    st.sidebar.markdown(f"Signed in: {frame.described(actor)}" if actor else "Not signed in")
    target = st.session_state.pop("go_to", None)
    if target is not None:
        st.switch_page(target or pages[0])
    frame.header()
    frame.told_signed_out()
    chosen.run()


main()
