"""Filters, order, pages and selection: against the same computed over plain objects, and while rows are added."""

import operator
import re
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from services.gradebook.oneroster_rest.collections import Collection
from services.gradebook.oneroster_rest.compiling import Column
from services.gradebook.oneroster_rest.filters import Kind
from services.gradebook.oneroster_rest.routes import READS
from tests.integration.oneroster_rest_client import GRADEBOOK, ROSTERING, Provider, provider_of
from tests.integration.test_gradebook_journal import SET_AT, Journal, district, journal
from tests.integration.test_oneroster_rest_reading import MORE, minor

__all__ = ["district", "journal"]

PREDICATES: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "~": lambda held, given: given in held,
}


@pytest.fixture
async def provider(district: Journal) -> AsyncIterator[Provider]:
    """The provider of the small district with a few more results, some of them later."""
    provider = await provider_of(district)
    await district.take(MORE)
    district.clock.advance(timedelta(minutes=5))
    kinds = ("answer", "homework", "lab", "control_work")
    marks = "mark_id,student_id,subject_id,group_id,lesson_on,work_type,weight,value,comment\n" + "".join(
        f"n{n},s{1 + n % 2},{'rus' if n % 3 else 'alg'},7a,2026-10-{1 + n:02},{kinds[n % 4]},{1 + n % 3},"
        f"{'зач' if n == 7 else 2 + n % 4},{'Молодец' if n % 5 == 0 else ''}\n"
        for n in range(20)
    )
    assert (await district.take({"marks": marks})).exit_code == 0
    async with provider.http:
        yield provider


def values_at(item: dict[str, Any], path: str) -> list[Any]:
    """All values that an object has at a dotted path."""
    found: list[Any] = [item]
    for name in path.split("."):
        deeper: list[Any] = []
        for one in found:
            value = one.get(name)
            deeper += value if isinstance(value, list) else [] if value is None else [value]
        found = deeper
    return found


def holds(item: dict[str, Any], path: str, predicate: str, given: str, column: Column) -> bool:
    """Whether a comparison holds, by the plain values of the object."""
    typed: Any = given
    if column.kind is Kind.NUMBER:
        typed = float(given)
    elif column.kind is Kind.TRUTH:
        typed = given == "true"
    values = values_at(item, path)
    if predicate == "!=":
        return all(value != typed for value in values)
    return any(PREDICATES[predicate](value, typed) for value in values)


def filters(random: Random, items: list[dict[str, Any]], collection: Collection) -> Iterator[tuple[str, list[str]]]:
    """Filters by every field with every predicate, alone and two together, and the ids that each must find."""

    def comparison(path: str, predicate: str) -> tuple[str, Callable[[dict[str, Any]], bool]]:
        column = collection.fields[path]
        values = [value for item in items for value in values_at(item, path)] or ["x"]
        value = random.choice(values)
        given = str(value).lower() if isinstance(value, bool) else str(value)
        if column.kind is Kind.TEXT and random.random() < 0.3:
            given = given[random.randrange(len(given) + 1) :] or "'"
        written = f"{path}{predicate}'" + given.replace("'", "''") + "'"
        return written, lambda item: holds(item, path, predicate, given, column)

    for path, column in collection.fields.items():
        if not any(values_at(item, path) for item in items) and column.kind is not Kind.TEXT:
            continue
        for predicate in PREDICATES:
            if predicate == "~" and column.kind is not Kind.TEXT:
                continue
            text, rule = comparison(path, predicate)
            if random.random() < 0.4:
                yield text, [item["sourcedId"] for item in items if rule(item)]
                continue
            other = random.choice(["sourcedId", "status", "dateLastModified"])
            second, other_rule = comparison(other, random.choice(["=", "!=", ">=", "<"]))
            if random.random() < 0.5:
                yield f"{text} AND {second}", [item["sourcedId"] for item in items if rule(item) and other_rule(item)]
            else:
                yield f"{text} OR {second}", [item["sourcedId"] for item in items if rule(item) or other_rule(item)]


async def test_every_filter_finds_what_the_same_rule_finds_over_plain_objects(provider: Provider) -> None:
    random = Random(20261023)
    tried = 0
    for read in READS:
        if not read.parents and read.single:
            path = f"{read.base}/{read.path}"
            items = await provider.read(path, by="district")
            for text, wanted in filters(random, items, read.collection):
                answer = await provider.get(path, by="district", filter=text)
                assert answer.status_code == 200, (text, answer.text)
                (found,) = answer.json().values()
                assert [item["sourcedId"] for item in found] == wanted, (path, text)
                assert answer.headers["x-total-count"] == str(len(wanted))
                tried += 1
    assert tried > 300


async def test_a_collection_is_sorted_by_any_field_with_one_value(provider: Provider) -> None:
    for path, collection in ((f"{GRADEBOOK}/results", "results"), (f"{ROSTERING}/users", "users")):
        fields = next(read.collection for read in READS if read.path == collection).sortable()
        for field in fields:
            up = await provider.read(path, sort=field, orderBy="asc")
            down = await provider.read(path, sort=field, orderBy="desc")
            given = [values_at(item, field) for item in up]
            filled = [values[0] for values in given if values]
            assert filled == sorted(filled), field
            assert given[len(filled) :] == [[]] * (len(up) - len(filled)), f"{field}: empty ones come last"
            assert [values_at(item, field) for item in down if values_at(item, field)] == [
                [value] for value in sorted(filled, reverse=True)
            ]
            assert len({item["sourcedId"] for item in up}) == len(up) == len(down)
    default = await provider.ids(f"{ROSTERING}/users")
    assert await provider.ids(f"{ROSTERING}/users", sort="nonsense") == default
    assert await provider.ids(f"{ROSTERING}/users", sort="roles.role") == default


def next_of(link: str) -> str | None:
    """Where the Link header says that it goes on."""
    found = re.search(r'<([^>]*)>; rel="next"', link)
    return found[1] if found else None


@pytest.mark.parametrize("query", ["limit=3", "limit=4&sort=scoreDate", "limit=4&sort=comment&orderBy=desc"])
async def test_pages_cover_every_row_once_while_rows_are_added(provider: Provider, query: str) -> None:
    before = await provider.ids(f"{GRADEBOOK}/results")
    seen: list[str] = []
    url: str | None = f"{GRADEBOOK}/results?{query}"
    added = 0
    while url is not None:
        answer = await provider.call("GET", url)
        assert answer.status_code == 200, answer.text
        seen += [item["sourcedId"] for item in answer.json()["results"]]
        url = next_of(answer.headers["link"])
        grades = "result_id,student_id,subject_id,period_id,value,obtained_at,held\n"
        added += 1
        row = f"late{added},s{1 + added % 2},rus,q1,{2 + added % 4},{SET_AT},true\n"
        assert (await provider.journal.take({"final_grades": grades + row})).exit_code == 0
    assert len(seen) == len(set(seen))
    assert set(before) <= set(seen)


async def test_links_and_counts_tell_where_the_page_stands(provider: Provider) -> None:
    path = f"{GRADEBOOK}/results"
    total = len(await provider.ids(path))
    answer = await provider.get(path, limit=5, offset=5, filter="status='active'", fields="sourcedId")
    assert answer.headers["x-total-count"] == str(total)
    links = {rel: url for url, rel in re.findall(r'<([^>]*)>; rel="(\w+)"', answer.headers["link"])}
    assert set(links) == {"first", "prev", "next", "last"}
    assert all("filter=status%3D%27active%27" in url and "fields=sourcedId" in url for url in links.values())
    all_ids = await provider.ids(path)
    for rel, start in (("first", 0), ("prev", 0), ("next", 10), ("last", (total - 1) // 5 * 5)):
        page = await provider.call("GET", links[rel].removeprefix("http://gradebook"))
        assert page.json()["results"] == [{"sourcedId": name} for name in all_ids[start : start + 5]], rel
    end = await provider.get(path, limit=5, offset=total)
    assert (end.json(), end.headers["x-total-count"]) == ({"results": []}, str(total))
    assert 'rel="next"' not in end.headers["link"]


async def test_only_the_fields_that_were_asked_for_are_sent(provider: Provider) -> None:
    (item,) = await provider.read(f"{ROSTERING}/students", fields="sourcedId, familyName", filter="sourcedId='s1'")
    assert item == {"sourcedId": "s1", "familyName": "Примерова"}
    one = await provider.get(f"{GRADEBOOK}/results/m1", fields="class,score")
    assert set(one.json()["result"]) == {"class", "score"}


REFUSED = {
    "filter=nonsense='a'": "invalid_filter_field",
    "filter=status": "invalid_filter_field",
    "filter=score~'5'": "invalid_filter_field",
    "filter=score>'five'": "invalid_filter_field",
    "filter=scoreDate='yesterday'": "invalid_filter_field",
    "filter=t.key='a'": "invalid_filter_field",
    "filter=school_id='a'": "invalid_filter_field",
    "filter=status='a' AND status='b' OR status='c'": "invalid_filter_field",
    "fields=nonsense": "invalid_selection_field",
    "fields=": "invalid_selection_field",
    "fields=sourcedId,": "invalid_selection_field",
    "limit=0": "invaliddata",
    "limit=5001": "invaliddata",
    "limit=ten": "invaliddata",
    "offset=-1": "invaliddata",
    "orderBy=up": "invaliddata",
    "after=nonsense": "invaliddata",
}


async def test_every_query_that_does_not_fit_is_refused_in_oneroster_words(provider: Provider) -> None:
    for query, code in REFUSED.items():
        answer = await provider.call("GET", f"{GRADEBOOK}/results?{query}")
        assert (answer.status_code, minor(answer.json())) == (400, code), query


async def test_quotes_and_percent_signs_are_values_and_nothing_else(provider: Provider) -> None:
    assert await provider.ids(f"{ROSTERING}/users", filter="familyName='x'' OR 1=1 --'") == []
    assert await provider.ids(f"{ROSTERING}/users", filter="familyName~'%'") == []
    assert await provider.ids(f"{ROSTERING}/users", filter="familyName~'рим'") == ["s1"]
