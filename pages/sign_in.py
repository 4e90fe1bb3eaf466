"""Sign in for development: choose an account. It is offered only to a browser on this machine."""

from __future__ import annotations

import streamlit as st
from pilots.accounts import development_sign_in

from pages import _frame as frame
from pilots.places import region_names


def described(actor: frame.Actor) -> str:
    """An account as the list shows it: name, role and regions."""
    names = region_names()
    regions = ", ".join(names.get(code, code) for code in actor.regions)
    return f"{actor.name} ({frame.ROLE_WORDS[actor.role]}{': ' + regions if regions else ''})"


def main() -> None:
    """Show the screen."""
    st.title("Sign in")
    if not frame.on_loopback():
        st.write("This server has no sign-in for browsers on other machines yet. Open it on the machine where it runs.")
        return
    current = frame.signed_in()
    if current is not None:
        st.write(f"You are signed in as {described(current)}.")
        if st.button("Sign out"):
            del st.session_state["subject"]
            st.rerun()
    st.caption("Development sign-in, on this machine only. No password is asked for.")
    choices = {described(actor): actor.subject for actor in development_sign_in(frame.store())}
    chosen = st.radio("Who are you?", list(choices), index=None)
    if st.button("Sign in", type="primary"):
        if chosen is None:
            frame.boxed("error", "There is a problem", ["Choose who you are."])
        else:
            st.session_state["subject"] = choices[chosen]
            st.rerun()


main()
