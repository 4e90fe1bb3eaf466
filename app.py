"""The platform's front door: which screens there are, and who sees which."""

import streamlit as st

from pages import _frame as frame

# One line a screen: file, title, and the action that its reader may do (None: everybody).
SCREENS = (
    ("pages/effects.py", "What each reform did", "read_runs"),
    ("pages/submit.py", "Send a return", "submit_return"),
    ("pages/returns_list.py", "Returns", "read_returns"),
    ("pages/reform_register.py", "Reform register", "read_register"),
    ("pages/published_data.py", "Published data", "read_published"),
    ("pages/evaluate.py", "Releases, plans and runs", "read_releases"),
    ("pages/sign_in.py", "Sign in", None),
)


def shown(action: str | None) -> bool:
    """Whether the reader sees a screen; a lead sees one that is open for any of the lead's regions."""
    if action is None:
        return True
    actor = frame.reader()
    return actor is not None and any(frame.may(action, region) for region in (None, *actor.regions))


def main() -> None:
    """Lay out the navigation and run the chosen screen."""
    st.set_page_config(page_title=frame.SERVICE, layout="wide")
    pages = [st.Page(path, title=title) for path, title, action in SCREENS if shown(action)]
    chosen = st.navigation(pages)
    actor = frame.signed_in()
    st.sidebar.markdown(f"**{frame.SERVICE}**")
    st.sidebar.markdown(f"Signed in: {actor.name}, {frame.ROLE_WORDS[actor.role]}" if actor else "Not signed in")
    frame.header()
    chosen.run()


main()
