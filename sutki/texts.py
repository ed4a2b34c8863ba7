"""Two languages on the command line: Russian first, English with `SUTKI_LANG=en`."""

import os


def english() -> bool:
    """Whether the operator reads English."""
    return os.environ.get("SUTKI_LANG", "ru").lower().startswith("en")


def tr(ru: str, en: str) -> str:
    """The text in the operator's language."""
    return en if english() else ru
