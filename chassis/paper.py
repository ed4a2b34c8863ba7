"""From data and a template to a PDF: tagged (PDF/UA-1), archivable (PDF/A-2a), always the same bytes for the same data.

Data reaches the template as texts in `sys.inputs`; nothing that somebody typed is ever typst source. Fonts are shipped
with the code and the machine's own are ignored, so that the output does not depend on where it is made.
"""

import threading
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typst

if TYPE_CHECKING:
    from typst import PDFStandard  # stands in the stubs only

FONTS = Path(__file__).parent / "fonts"
_STANDARDS: "list[PDFStandard]" = ["ua-1", "a-2a"]

LONGEST_WORD = 36
"""A longer word may be broken anywhere after so many characters, so that it stays on the paper."""


class Press:
    """Sets one template. May be used from any number of threads: typst works without the interpreter's lock."""

    def __init__(self, template: Path, root: Path) -> None:
        """Takes a template and the folder outside of which it can read nothing."""
        self._template = template
        self._root = root
        self._local = threading.local()

    def pdf(self, inputs: Mapping[str, str], *, issued_at: datetime) -> bytes:
        """The template filled in.

        Args:
            inputs: what the template finds in `sys.inputs`.
            issued_at: stands in the file as the time of its making.

        Raises:
            typst.TypstError: the template could not be set.
        """
        timestamp, compiler = int(issued_at.timestamp()), self._compiler()
        try:
            pdf = compiler.compile(sys_inputs=dict(inputs), format="pdf", pdf_standards=_STANDARDS, timestamp=timestamp)
        except typst.TypstError:
            # PDF/A forbids a character that no font has. Nobody must go without their sheet for that: the same page,
            # tagged, but not declared archivable, with a box in place of the character.
            pdf = compiler.compile(sys_inputs=dict(inputs), format="pdf", timestamp=timestamp)
        if not isinstance(pdf, bytes):
            raise TypeError("typst gave no PDF")
        return pdf

    def _compiler(self) -> typst.Compiler:
        """One compiler for each thread, kept alive: fonts and template are read once."""
        compiler: typst.Compiler | None = getattr(self._local, "compiler", None)
        if compiler is None:
            compiler = typst.Compiler(self._template, root=self._root, font_paths=[FONTS], ignore_system_fonts=True)
            self._local.compiler = compiler
        return compiler


def printable(text: str) -> str:
    """Without control and direction characters, which break PDF/A, and never wider than the paper."""
    kept = (" " if unicodedata.category(char) in ("Cc", "Zl", "Zp") else char for char in text)
    words = "".join(char for char in kept if unicodedata.category(char)[0] != "C").split()
    return " ".join(_breakable(word) for word in words)


def _breakable(word: str) -> str:
    parts = (word[start : start + LONGEST_WORD] for start in range(0, len(word), LONGEST_WORD))
    return "\N{ZERO WIDTH SPACE}".join(parts)
