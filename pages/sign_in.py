"""Sign in and out: by the identity provider that is set up; where none is, by choosing an account for development."""

from __future__ import annotations

import streamlit as st

from pages import _frame as frame
from pages._identity import configured, identity
from pilots.accounts import development_sign_in
from pilots.sessions import sign_out


def main() -> None:
    """Show the screen."""
    current, provider = frame.signed_in(), configured()
    st.title("Sign in" if current is None else frame.way_out())
    if current is not None:
        st.write(f"You are signed in as {frame.described(current)}.")
        if st.button("Sign out"):
            leave()
    if provider is None:
        choose_account()
    elif current is None:
        frame.way_in(provider)


def leave() -> None:
    """End the reader's session, here and for every copy of the cookie."""
    if configured() is None:
        del st.session_state["subject"]
        frame.go_to("")
    who = identity(st.context.cookies)
    if who is not None:
        sign_out(frame.store(), who)
    st.logout()  # by an address where the server looks once more, and takes the cookies back


def choose_account() -> None:
    """Sign in for development: offered only to a browser on this machine."""
    if not frame.development():
        frame.no_way_in()
        return
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
