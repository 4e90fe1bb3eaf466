"""Identifiers of persons in text: what they are called, and texts made safe to show."""

import re
from collections.abc import Callable
from functools import lru_cache

# The two or one letters with which postcodes begin: "KS2 3rd" and the like are none.
_AREAS = (
    "AB|AL|BA|BB|BD|BH|BL|BN|BR|BS|BT|CA|CB|CF|CH|CM|CO|CR|CT|CV|CW|DA|DD|DE|DG|DH|DL|DN|DT|DY|EC|EH|EN|EX|FK|FY|GL|GU|HA|HD|HG|HP|"
    "HR|HS|HU|HX|IG|IP|IV|KA|KT|KW|KY|LA|LD|LE|LL|LN|LS|LU|ME|MK|ML|NE|NG|NN|NP|NR|NW|OL|OX|PA|PE|PH|PL|PO|PR|RG|RH|RM|SA|SE|SG|SK|"
    "SL|SM|SN|SO|SP|SR|SS|ST|SW|SY|TA|TD|TF|TN|TQ|TR|TS|TW|UB|WA|WC|WD|WF|WN|WR|WS|WV|YO|ZE|B|E|G|L|M|N|S|W"
)
_TEN = r"\b[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{4}\b"
NOT_SHOWN = "(not shown)"
SHORTEST_IDENTIFIER = 5  # characters: a postcode such as M11AA


def _is_number_of_person(text: str) -> bool:
    """Whether ten digits have the check digit of an NHS number or of a ULN."""
    digits = [int(letter) for letter in text if letter.isdigit()]
    rest = sum(digit * (10 - place) for place, digit in enumerate(digits[:9])) % 11
    return len(set(digits)) > 1 and digits[9] in {(11 - rest) % 11, 10 - rest}


# Patterns hold for Python and for polars alike; the test that may stand beside one is asked of what it found.
PERSONAL: tuple[tuple[str, str, Callable[[str], bool] | None], ...] = (
    ("unique pupil number (UPN)", r"(?i)\b[A-HJ-NP-RT-Z][0-9]{11}[0-9A-HJ-NP-RT-Z]\b", None),
    ("postcode", rf"(?i)\b(?:{_AREAS})[0-9][0-9A-Z]? ?[0-9][ABD-HJLNP-UW-Z]{{2}}\b", None),
    ("e-mail address", r"\b[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}\b", None),
    ("date of birth", r"(?i)\b(?:dob|d\.o\.b|date of birth|born)\b.{0,20}[0-9]", None),
    ("national insurance number", r"(?i)\b[A-CEGHJ-PR-TW-Z]{2} ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]\b", None),
    ("NHS number or unique learner number (ULN)", _TEN, _is_number_of_person),
)
# How columns of identifiers are called, in plain headings (lower case, blanks between words).
PERSONAL_HEADING = re.compile(
    r"\b(upn|uln|nhs (no|number)|unique (pupil|learner) number|date of birth|dob|birth date|surname|forename|first name|"
    r"last name|(pupil|child|learner|student) name|postcode|post code|e ?mail|home address)\b"
)
# In case-level files, which have a row for each person, these are identifiers too.
_OF_CASES = re.compile(
    r"^name$|^address\b|\b(full|given|family|middle|known as|parent|carer) name|"
    r"\b(birth ?day|national insurance|ni number|nino)\b"
)
# One pattern for all, by which polars finds the cells worth a closer look.
ANY = "|".join(f"(?:{pattern})" for _, pattern, _ in PERSONAL)
_COMPILED = tuple((word, re.compile(pattern), confirm) for word, pattern, confirm in PERSONAL)


def personal_heading(text: str) -> bool:
    """Whether a column of a case-level file is called like an identifier of persons, however it is written."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    heading = re.sub(r"[\s_.\-]+", " ", words).strip().lower()
    return bool(PERSONAL_HEADING.search(heading) or _OF_CASES.search(heading))


def personal(text: str) -> str:
    """What kind of identifier of a person a text holds; blank where none."""
    for word, pattern, confirm in _COMPILED:
        if any(confirm is None or confirm(found.group()) for found in pattern.finditer(text)):
            return word
    return ""


@lru_cache(maxsize=10_000)
def masked(text: str) -> str:
    """A text with every identifier of a person taken out."""
    for _, pattern, confirm in _COMPILED:
        text = _without(text, pattern, confirm)
    return text


def _without(text: str, pattern: re.Pattern[str], confirm: Callable[[str], bool] | None) -> str:
    return pattern.sub(lambda found: NOT_SHOWN if confirm is None or confirm(found.group()) else found.group(), text)
