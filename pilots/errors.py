"""What a user can put right. Faces show the message without a traceback; everything else is a fault of ours."""

from pathlib import Path


class UserError(Exception):
    """Something that the user can put right: the message says what is wrong, where, and what to do."""


class FileIsThere(UserError):
    """A file that is there already: one that somebody has made or filled in is never written over."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is there already and was left as it is. Give another name, or move it away.")


class NotWritable(UserError):
    """A file that cannot be written where it was asked for."""

    def __init__(self, path: Path, why: OSError) -> None:
        super().__init__(f"{path} cannot be written: {why.strerror}. Give another place.")
