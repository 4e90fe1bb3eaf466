"""Which publication an upload is, and of which edition: the reporting year by which the aliases are bound."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from pilots.catalogue import Aliases, FileAlias, aliases, in_force, publications
from pilots.published.files import NotReadable, Upload
from pilots.published.lait_table import PUBLICATION as LONG_TABLE

# “Reporting year 2025” or “2022 Reporting year”, as the second line of the data guidance has it.
_GUIDANCE = re.compile(r"^\s*(?:reporting year\s+(\d{4})|(\d{4})\s+reporting year)\s*$", re.IGNORECASE | re.MULTILINE)
_IN_NAME = re.compile(r"(?<!\d)(20\d{2})(?!\d)(?:-(\d{2})(?!\d))?")
_GUIDANCE_FILE = re.compile(r"^\s*Filename:\s*(\S.*\.csv)\s*$", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Edition:
    """A reporting year and where it was read."""

    year: str
    origin: str


def publication_of(filename: str, upload: Upload) -> Aliases:
    """The publication of the catalogue that an upload belongs to, by the title in its guidance or else by its files' names.

    Raises:
        NotReadable: none of the catalogue.
    """
    known = [aliases(name) for name in publications() if name != LONG_TABLE]
    title = next((line.strip() for line in upload.guidance.splitlines() if line.strip()), "")
    for entry in known:
        if title.casefold() == entry.title.casefold():
            return entry
    counts = [sum(any(alias.matches(name) for alias in entry.files) for name, _ in upload.tables) for entry in known]
    best = max(range(len(known)), key=counts.__getitem__)
    if counts[best]:
        if title:
            upload.notes.append(f"The data guidance is headed “{title}”; the files are those of “{known[best].title}”.")
        return known[best]
    called = f" (“{title}”)" if title else ""
    names = ", ".join(name for name, _ in upload.tables[:5])
    patterns = [dict.fromkeys(alias.pattern for alias in entry.files) for entry in known]
    can = "; ".join(f"{entry.title} ({', '.join(own)})" for entry, own in zip(known, patterns, strict=True))
    raise NotReadable(
        f"{filename}{called} is not a publication that can be taken in: none of its files is known ({names}). "
        f"Known by the names of their files: {can}. The long table of the Local Authority Interactive Tool is taken in by: "
        "pilots import-lait."
    )


def edition_of(filename: str, upload: Upload, latest: str) -> Edition:
    """The edition of an upload.

    Args:
        filename: its name.
        upload: its parts; gets a note where guidance, name and figures do not agree.
        latest: reporting year of the newest figures, or "".

    Raises:
        NotReadable: nothing says which edition it is.
    """
    found = []
    guidance = _GUIDANCE.search("\n".join(upload.guidance.splitlines()[:10]))
    if guidance:
        found.append(Edition(guidance[1] or guidance[2], "the data guidance"))
    name = list(_IN_NAME.finditer(PurePosixPath(filename).stem))
    if name:
        year, second = name[-1].groups()
        found.append(Edition(str(int(year) + 1) if second else year, "the name of the file"))
    if latest:
        found.append(Edition(latest, "the newest figures"))
    if not found:
        raise NotReadable(
            f"{filename}: no file says which year it is about. It must be a release as published, with its data guidance, or "
            "files with the columns time_period and time_identifier."
        )
    for other in found[1:]:
        if other.year != found[0].year:
            upload.notes.append(
                f"The edition is {found[0].year}, by {found[0].origin}; by {other.origin} it would be {other.year}. Look whether "
                "this is the right file."
            )
    return found[0]


def alias_of(publication: Aliases, name: str, edition: str) -> tuple[FileAlias | None, str]:
    """How a file is read in an edition; or None and why it is not."""
    named = [alias for alias in publication.files if alias.matches(name)]
    for alias in named:
        if in_force(alias.since, alias.until, edition):
            return alias, ""
    if named:
        first, last = min(alias.since for alias in named), max(alias.until for alias in named)
        bounds = f"from edition {first} on" if edition < first else f"up to edition {last}"
        return None, f"a file of this name is known {bounds} only"
    return None, f"no file of this name is known (aliases version {publication.version})"


def tell_absent_files(upload: Upload) -> None:
    """Note the data files that the guidance describes and that the upload does not have."""
    have = {name.casefold() for name, _ in upload.tables} | {name.casefold() for name, _ in upload.ignored}
    absent = [name for name in _GUIDANCE_FILE.findall(upload.guidance) if name.strip().casefold() not in have]
    if absent:
        upload.notes.append(f"The data guidance describes files that are not there: {', '.join(absent)}.")
