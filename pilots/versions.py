"""Which code made a number: the package's version, a digest of every source and table, and the libraries that reckon."""

import hashlib
import platform
from functools import cache
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("evaluation", "data_contracts", "pilots")
LIBRARIES = ("numpy", "scipy", "pandas", "statsmodels", "linearmodels")
ENDINGS = {".py", ".yaml", ".csv"}


@cache
def code_version() -> str:
    """For example `0.1.0 (source 1a2b3c4d5e6f)`; the digest covers evaluation, data_contracts and pilots."""
    digest = hashlib.sha256()
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*"), key=lambda one: one.relative_to(ROOT).as_posix()):
            if path.suffix in ENDINGS and "__pycache__" not in path.parts:
                digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return f"{metadata.version('regional-partnership-evidence')} (source {digest.hexdigest()[:12]})"


@cache
def library_versions() -> str:
    """Python and the libraries that numbers come from, for example `Python 3.11.4, numpy 2.1.0, …`."""
    return ", ".join([f"Python {platform.python_version()}", *(f"{name} {metadata.version(name)}" for name in LIBRARIES)])
