"""Words that several documents share: the texts of warnings, lists, and sizes; and words that are not kept."""

from collections.abc import Iterable, Sequence

from data_contracts.personal import personal
from pilots.errors import UserError

LONGEST_REASON = 2_000  # characters, of every reason, note or explanation that somebody gives
WARNING_TEXTS = {
    "series_break": "There is a break in this series at {period}, inside the window. {text}",
    "gameable": "{text} The other measure is: {twin}.",
    "missing_authority": "{name} has no figure for {periods}. It has the reform: the estimate rests on the others there.",
    "missing_authorities": "{count} of {treated} {who} with the reform lack a figure for some period ({cells} cells).",
    "stopped": (
        "{count} authorities stopped the reform: {who}. What came after is left out: "
        "to have stopped is not the same as never to have begun."
    ),
    "partial_period": (
        "The reform counts from the first {kind} that begins after its start. A start in the middle of a {kind} leaves some of "
        "the reform in the {kind} before, which makes the effect look smaller."
    ),
}


def given_words(text: str | None, ask: str = "") -> str:
    """What somebody gave as a reason, a note or an explanation: without blanks at its ends, not too long, and of nobody.

    Args:
        text: as it was typed.
        ask: what to say where it is blank; without it, it may be.

    Raises:
        UserError: it is blank and may not be, is too long, or holds an identifier of a person.
    """
    words = (text or "").strip()
    if ask and not words:
        raise UserError(ask)
    if len(words) > LONGEST_REASON:
        raise UserError(f"What you wrote has {len(words):,} characters, and it may have at most {LONGEST_REASON:,}: shorten it.")
    check_tells_of_nobody([words])
    return words


def check_tells_of_nobody(texts: Iterable[str]) -> None:
    """Stop where something that somebody typed holds an identifier of a person: it would be kept, and others read it.

    Raises:
        UserError: it does; the message names the kind and does not repeat it.
    """
    kind = next((kind for kind in map(personal, texts) if kind), "")
    if kind:
        raise UserError(f"What you wrote seems to hold a {kind}. It would be kept and read by others. Take it out.")


def listed(words: Sequence[str]) -> str:
    """“a”, “a and b”, “a, b and c”."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def plain(value: float) -> str:
    """A size without its sign, to one decimal, two where it is small."""
    size = abs(value)
    return f"{size:.1f}" if size >= 0.95 else f"{size:.2f}"
