"""Texts in CSV files that a spreadsheet program would run as a formula.

A CSV has no types: Excel and LibreOffice compute a cell that begins with one of a few characters, whatever the file
meant. Such a text gets an apostrophe before it, which shows in the program and computes nothing. Reading takes the
apostrophe away again, and only there, so that every text comes back as it was: also one that itself begins with an
apostrophe and a sign (it gets a second one), and a name such as `'т Хофт`, which is left alone both ways.

OneRoster files are not guarded. Their values are the standard's, read by programs that know no apostrophe: an id or a
name with one more character would be another id or name there.
"""

_GUARD = "'"
GUARDED = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet program takes for the start of a formula, itself or behind blanks that it leaves out."""


def guard(text: str) -> str:
    """The text so that no spreadsheet program takes it for a formula."""
    return _GUARD + text if text.lstrip(_GUARD).startswith(GUARDED) else text


def unguard(text: str) -> str:
    """The text before `guard`."""
    return text[1:] if text.startswith(_GUARD) and text.lstrip(_GUARD).startswith(GUARDED) else text
