"""What kind of file it is, by its bytes and never by its name."""

import re

# Written in two pieces so that this source is not itself taken for the test file.
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}" + rb"$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_MARKUP = re.compile(rb"^\s*(<!doctype html|<html|<head|<body|<table|<meta|<style)", re.IGNORECASE)
_GOOGLE = re.compile(rb'^\s*\{[^{}]*"(url|doc_id)"\s*:\s*"[^"]*"', re.IGNORECASE)
_OTHER_KINDS = (
    (b"%PDF", "a PDF document"),
    (b"{\\rtf", "a Rich Text document"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"\x1f\x8b", "a compressed file (gzip)"),
    (b"7z\xbc\xaf\x27\x1c", "a compressed file (7-Zip)"),
    (b"Rar!", "a compressed file (RAR)"),
    (b"PAR1", "a Parquet file"),
    (b"SQLite format 3", "a database"),
    (b"MZ", "a program"),
    (b"\x7fELF", "a program"),
)


def kind_of(content: bytes) -> tuple[str, str]:
    """What kind of file the bytes are.

    Returns:
        `("text", "")`, `("zip", "")`, or the id of the rule it breaks and a word for what it is.
    """
    if not content:
        return "file.empty", ""
    if EICAR in content:
        return "file.virus", ""
    if content.startswith(b"PK\x03\x04") or content.startswith(b"PK\x05\x06"):
        return "zip", ""
    if content.startswith(_OLE):
        locked = "EncryptedPackage".encode("utf-16-le") in content
        return ("file.password", "") if locked else ("file.old_excel", "")
    if content.startswith((b"\x09\x08", b"\x09\x04\x06\x00", b"\x09\x02\x06\x00")):
        return "file.old_excel", ""
    start = content[:4096].removeprefix(b"\xef\xbb\xbf")
    for signature, word in _OTHER_KINDS:
        if start.startswith(signature):
            return "file.other_kind", word
    return _markup(start)


def _markup(start: bytes) -> tuple[str, str]:
    if _MARKUP.match(start):
        return "file.web_page", ""
    if start[:20].lower().startswith(b"mime-version:"):
        return "file.web_page", ""
    if start.lstrip().startswith(b"<?xml"):
        return ("file.web_page", "") if b"<html" in start.lower() else ("file.other_kind", "an XML document")
    if _GOOGLE.match(start):
        return "file.other_kind", "a link to a document on the web"
    return "text", ""
