"""Sign in for development: choose an account. It is offered only to a browser on this machine."""

from __future__ import annotations

import streamlit as st

from pages import _frame as frame
from pilots.accounts import development_sign_in


def main() -> None:
    """Show the screen."""
    current = frame.signed_in()
    st.title("Sign in" if current is None else "Sign out, or change account")
    if not frame.on_loopback():
        st.write("This server has no sign-in for browsers on other machines yet. Open it on the machine where it runs.")
        return
    if current is not None:
        st.write(f"You are signed in as {frame.described(current)}.")
        if st.button("Sign out"):
            del st.session_state["subject"]
            frame.go_to("")
    st.caption("Development sign-in, on this machine only. No password is asked for.")
    choices = {frame.described(actor): actor.subject for actor in development_sign_in(frame.store())}
    if not choices:
        st.write("There are no accounts yet. Add one on the command line: pilots accounts add")
        return
    chosen = st.radio("Who are you?", list(choices), index=None)
    if st.button("Sign in", type="primary"):
        if chosen is None:
            frame.boxed("error", "There is a problem", ["Choose who you are."])
        else:
            frame.sign_in(choices[chosen])


frame.show(main)
