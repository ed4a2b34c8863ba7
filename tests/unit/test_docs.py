"""The documents are true: links lead somewhere, both languages are there, nothing of this machine is in them."""

import re
from pathlib import Path

import pytest

from tests.support import doc_states
from tests.support.doc_links import wrong_links

PROJECT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md")])
_PLAIN_LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(PROJECT)))
def test_every_link_into_the_code_points_at_what_it_names(document: Path):
    assert list(wrong_links(document)) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(PROJECT)))
def test_every_link_leads_somewhere(document: Path):
    targets = _PLAIN_LINK.findall(document.read_text(encoding="utf-8"))
    assert [target for target in targets if not (document.parent / target).exists()] == []


@pytest.mark.parametrize("name", ["operations.md", "exchange.md"])
def test_what_operators_and_schools_read_is_there_in_both_languages(name: str):
    russian, _, english = (PROJECT / "docs" / name).read_text(encoding="utf-8").partition("## In English")
    assert len(re.findall(r"[а-яё]{3,}", russian)) > 100
    assert len(re.findall(r"[a-z]{3,}", english)) > 100


def test_the_states_are_those_of_the_code():
    assert doc_states.DOCUMENT.read_text(encoding="utf-8") == doc_states.text()


def test_the_fonts_are_named_with_the_licence_that_lies_beside_them():
    licence = (PROJECT / "chassis/fonts/LICENSE.txt").read_text(encoding="utf-8")
    title = next(line for line in licence.splitlines() if "License" in line)
    (named,) = re.findall(r"\(`chassis/fonts`, ([^)]+)\)", (PROJECT / "docs/dependencies.md").read_text())
    assert title in named
