"""Start: what a reader sees who is not signed in, on a store of one's own."""

from __future__ import annotations

import streamlit as st

from pages import _frame as frame
from pages._identity import configured
from pilots.access import actor_can
from pilots.accounts import development_sign_in


def main() -> None:
    """Show the screen."""
    st.title("What each reform did")
    st.write("This platform takes in returns and published data, and estimates what each reform did.")
    provider = configured()
    if provider is not None:
        st.header("Sign in")
        frame.way_in(provider)
        return
    if not frame.development():
        frame.no_way_in()
        return
    administrator = next((actor for actor in development_sign_in(frame.store()) if actor_can(actor, "import_published")), None)
    if administrator is not None:
        st.header("A new store: import published data first")
        st.write("Take a release of Explore education statistics as it was published. Then estimate, and read the evidence.")
        if st.button("Import published data", type="primary"):
            frame.sign_in(administrator.subject, "pages/published_data.py")
        st.caption(f"You act as {administrator.name}. That needs no password on this machine.")
    st.header("A store in use: sign in")
    st.write("Regional leads send returns and approvers sign them. Evaluators, researchers and administrators read the evidence.")
    st.page_link("pages/sign_in.py", label="Choose who you are")


frame.show(main)
