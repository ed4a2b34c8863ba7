"""The ledger's chain: every change, removal, insertion and swap is found, with nothing but the entries themselves."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import orjson
from hypothesis import assume, given
from hypothesis import strategies as st

from services.publisher.domain.ledger import GENESIS, Head, LedgerLine, append, canonical, chain_hash
from services.publisher.domain.ledger_check import verify
from services.publisher.domain.ledger_faults import Break

SCHOOL, OTHER = UUID(int=1), UUID(int=2)
CONTENTS = st.dictionaries(
    st.text(min_size=1, max_size=8), st.text(max_size=12) | st.integers(-(2**53), 2**53) | st.booleans(), max_size=4
)


def a_chain(contents: list[dict[str, Any]], school: UUID = SCHOOL) -> tuple[Head, list[LedgerLine]]:
    return append(Head.start(school), contents)


@st.composite
def chains(draw: st.DrawFn) -> tuple[Head, list[LedgerLine]]:
    return a_chain(draw(st.lists(CONTENTS, min_size=2, max_size=12)))


@given(chains())
def test_an_untouched_chain_holds(chain):
    head, lines = chain
    assert verify(lines, [head]) == []
    assert [line.seq for line in lines] == list(range(1, head.seq + 1))


@given(st.lists(CONTENTS, max_size=6), st.lists(CONTENTS, max_size=6))
def test_appending_in_two_steps_gives_the_same_chain_as_in_one(first, second):
    whole = a_chain([*first, *second])
    head, lines = a_chain(first)
    head, more = append(head, second)
    assert (head, lines + more) == whole


@given(chains(), st.data())
def test_any_changed_byte_of_an_entry_is_found(chain, data):
    head, lines = chain
    index = data.draw(st.integers(0, len(lines) - 1))
    entry = lines[index].entry
    place = data.draw(st.integers(0, len(entry) - 1))
    letter = data.draw(st.characters(codec="utf-8"))
    assume(letter != entry[place])
    lines[index] = replace(lines[index], entry=entry[:place] + letter + entry[place + 1 :])
    assert verify(lines, [head]) != []


@given(chains(), st.data())
def test_an_entry_rewritten_with_a_fitting_hash_is_found(chain, data):
    head, lines = chain
    index = data.draw(st.integers(0, len(lines) - 1))
    forged = canonical({**orjson.loads(lines[index].entry), "forged": True})
    digest = chain_hash(lines[index].prev_hash, forged)
    lines[index] = replace(lines[index], entry=forged.decode(), hash=digest)
    assert verify(lines, [head]) != []


@given(chains(), st.data())
def test_any_removed_entry_is_found_also_the_last(chain, data):
    head, lines = chain
    del lines[data.draw(st.integers(0, len(lines) - 1))]
    assert verify(lines, [head]) != []


@given(chains(), st.data())
def test_any_two_swapped_entries_are_found(chain, data):
    head, lines = chain
    one, two = data.draw(st.lists(st.integers(0, len(lines) - 1), min_size=2, max_size=2, unique=True))
    lines[one], lines[two] = lines[two], lines[one]
    assert verify(lines, [head]) != []


@given(chains(), CONTENTS, st.data())
def test_any_inserted_entry_is_found(chain, content, data):
    head, lines = chain
    index = data.draw(st.integers(0, len(lines)))
    before = lines[index - 1] if index else None
    start = Head(SCHOOL, before.seq, before.hash) if before else Head.start(SCHOOL)
    _, forged = append(start, [content])
    lines[index:index] = forged
    assert verify(lines, [head]) != []


@given(chains())
def test_an_entry_of_another_school_is_found(chain):
    head, lines = chain
    _, foreign = a_chain([{"kind": "available"}] * len(lines), OTHER)
    lines[0] = replace(foreign[0], school_id=SCHOOL)
    assert verify(lines, [head]) != []


def test_an_entry_that_is_not_canonical_is_found_even_with_a_fitting_hash():
    entry = b'{"seq": 1, "school_id": "00000000-0000-0000-0000-000000000001"}'
    line = LedgerLine(SCHOOL, 1, GENESIS, chain_hash(GENESIS, entry), entry.decode())
    assert [fault.code for fault in verify([line], [Head(SCHOOL, 1, line.hash)])] == [Break.NOT_CANONICAL]


def test_the_hash_is_plain_sha256_so_that_anybody_can_check_it():
    _, (line,) = a_chain([{"kind": "available"}])
    assert line.entry == f'{{"kind":"available","school_id":"{SCHOOL}","seq":1}}'
    assert line.hash.hex() == "9852d967e1439d6278dd7270d4bc4785c25dc03f81596210fa5017091f399b62"
