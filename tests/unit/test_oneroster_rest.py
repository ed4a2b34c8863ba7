"""OneRoster's filter language, the ids of line items, and the token request: without a database."""

import base64
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.values import WorkType
from services.gradebook.oneroster_model import EXAM_KINDS, FINAL_GRADE, DerivedItem, exam_digest, instant, parse_item_id
from services.gradebook.oneroster_rest.compiling import (
    BadCursorError,
    Column,
    Order,
    Parameters,
    UnknownFieldError,
    condition,
)
from services.gradebook.oneroster_rest.filters import Comparison, Filter, FilterError, Kind, parse, value_of
from services.gradebook.oneroster_rest.tokens import SCOPES, Asked, TokenError, granted, read_form

PREDICATES = ("=", "!=", ">", ">=", "<", "<=", "~")
FIELDS = st.from_regex(r"[a-z][A-Za-z0-9]{0,8}(\.[a-z][A-Za-z0-9]{0,8}){0,2}", fullmatch=True)
COMPARISONS = st.builds(Comparison, FIELDS, st.sampled_from(PREDICATES), st.text(max_size=20))


def written(wanted: Filter, joiner: str, space: str) -> str:
    """A filter as a client writes it."""
    parts = [
        f"{c.field}{space}{c.predicate}{space}'{c.text.replace(chr(39), chr(39) * 2)}'" for c in wanted.comparisons
    ]
    return f" {joiner} ".join(parts)


@given(st.lists(COMPARISONS, min_size=1, max_size=2), st.booleans(), st.sampled_from(["", " ", "  "]), st.booleans())
def test_every_filter_is_read_as_it_was_written(
    comparisons: list[Comparison], every: bool, space: str, lower: bool
) -> None:
    joiner = "AND" if every else "OR"
    wanted = Filter(tuple(comparisons), every or len(comparisons) == 1)
    assert parse(written(wanted, joiner.lower() if lower else joiner, space)) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "",
        "status",
        "status=",
        "status=active",
        "status='active",
        "='active'",
        "status=='active'",
        "status LIKE 'a'",
        "status='a' status='b'",
        "status='a' AND",
        "status='a' XOR status='b'",
        "status='a' ANDstatus='b'",
        "status='a' AND (status='b')",
        "status='a' AND status='b' AND status='c'",
        "status='a'; DROP TABLE marks",
        "sta-tus='a'",
        "1=1",
    ],
)
def test_what_is_no_filter_is_refused(text: str) -> None:
    with pytest.raises(FilterError):
        parse(text)


@given(st.text(max_size=60))
def test_any_text_is_a_filter_or_refused(text: str) -> None:
    try:
        found = len(parse(text).comparisons)
    except FilterError:
        found = 0
    assert found <= 2


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Kind.DAY, "2026-10-23", date(2026, 10, 23)),
        (Kind.INSTANT, "2026-10-23", datetime(2026, 10, 23, tzinfo=UTC)),
        (Kind.INSTANT, "2026-10-23T12:00:00.000Z", datetime(2026, 10, 23, 12, tzinfo=UTC)),
        (Kind.NUMBER, "4.50", Decimal("4.5")),
        (Kind.TRUTH, "TRUE", True),
        (Kind.TEXT, " a'b", " a'b"),
    ],
)
def test_a_value_is_read_by_what_the_field_holds(kind: Kind, text: str, value: object) -> None:
    assert value_of(text, kind) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Kind.DAY, "23.10.2026"),
        (Kind.DAY, "0001-01-01"),
        (Kind.INSTANT, "0001-01-01T00:00:00+14:00"),
        (Kind.NUMBER, "NaN"),
        (Kind.NUMBER, "1e400000"),
        (Kind.NUMBER, "1e-400000"),
        (Kind.NUMBER, "five"),
        (Kind.TRUTH, "yes"),
        (Kind.TEXT, "a\x00"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_without_being_repeated(kind: Kind, text: str) -> None:
    with pytest.raises(FilterError) as refusal:
        value_of(text, kind)
    assert text not in str(refusal.value)


@given(st.text(max_size=30), st.sampled_from(PREDICATES), st.booleans())
def test_nothing_that_a_client_writes_becomes_sql(value: str, predicate: str, many: bool) -> None:
    wanted = Filter((Comparison("name", predicate, value.replace("\x00", "")),))  # type: ignore[arg-type]
    parameters = Parameters()
    sql = condition(wanted, {"name": Column("title", many=many)}, parameters)
    assert parameters.values == [value.replace("\x00", "")]
    again = condition(Filter((Comparison("name", predicate, "x"),)), {"name": Column("title", many=many)}, Parameters())  # type: ignore[arg-type]
    assert sql == again
    with pytest.raises(UnknownFieldError):
        condition(Filter((Comparison("title; --", "=", "x"),)), {"name": Column("title")}, Parameters())


@given(st.none() | st.text(max_size=20), st.uuids())
def test_a_cursor_goes_on_behind_the_row_that_it_was_made_from(value: str | None, key: UUID) -> None:
    order = Order("uuid", Column("title"))
    parameters = Parameters()
    if value is not None and "\x00" in value:
        return
    order.after(order.cursor({"title": value, "key": key}), parameters)
    assert parameters.values == ([key] if value is None else [key, value])


@pytest.mark.parametrize("cursor", ["", "!", "AAAA", "бг", base64.urlsafe_b64encode(b'["a", 1]').decode(), "bnVsbA"])
def test_a_cursor_of_somebody_else_is_refused(cursor: str) -> None:
    with pytest.raises(BadCursorError):
        Order("uuid", None).after(cursor, Parameters())


PLACES = st.tuples(st.none() | st.uuids(), st.uuids())
WEIGHTS = st.decimals(Decimal("0.01"), Decimal(10), places=2)
WORK_TYPES = st.sampled_from([str(kind) for kind in WorkType])
DAYS = st.dates(date(2000, 1, 1), date(2100, 1, 1))
ITEMS = st.one_of(
    st.tuples(WORK_TYPES, PLACES, DAYS, WEIGHTS).map(lambda of: DerivedItem(of[0], *of[1], due_on=of[2], weight=of[3])),
    st.tuples(PLACES, st.uuids()).map(lambda of: DerivedItem(FINAL_GRADE, *of[0], period_id=of[1])),
    st.tuples(st.sampled_from(EXAM_KINDS), PLACES, st.text(max_size=9)).map(
        lambda of: DerivedItem(of[0], *of[1], digest=exam_digest(of[2], None))
    ),
)


@given(ITEMS)
def test_the_id_of_a_line_item_says_what_it_is_for(item: DerivedItem) -> None:
    assert parse_item_id(item.sourced_id()) == item
    assert len(item.sourced_id()) < 200


@given(st.text(max_size=40) | st.builds(lambda text: "m.-." + text, st.text(max_size=40)))
def test_other_ids_are_no_derived_line_items(text: str) -> None:
    found = parse_item_id(text)
    assert found is None or found.sourced_id() == text


def test_equal_maxima_are_the_same_exam() -> None:
    assert exam_digest("ОГЭ", Decimal(31)) == exam_digest("ОГЭ", Decimal("31.00"))
    assert exam_digest("ОГЭ", Decimal(100)) != exam_digest("ОГЭ", Decimal(10))


def test_an_instant_is_as_fine_as_it_is() -> None:
    assert instant(datetime(2026, 10, 23, 12, tzinfo=UTC)) == "2026-10-23T12:00:00.000Z"
    assert instant(datetime(2026, 10, 23, 12, 0, 0, 5, tzinfo=UTC)) == "2026-10-23T12:00:00.000005Z"


FORM = "application/x-www-form-urlencoded"
SCOPE = next(iter(SCOPES))


def basic(text: str) -> str:
    """An Authorization header."""
    return "Basic " + base64.b64encode(text.encode()).decode()


def test_credentials_come_in_the_form_or_as_basic() -> None:
    in_form = read_form(
        f"grant_type=client_credentials&client_id=a&client_secret=b%2B&scope={SCOPE}".encode(), FORM, ""
    )
    assert in_form == Asked("a", "b+", (SCOPE,))
    assert read_form(b"grant_type=client_credentials", FORM, basic("a:b%2B:c")) == Asked("a", "b+:c", ())
    by_http = f"grant_type=client_credentials&scope={SCOPE.replace('https', 'http')}".encode()
    assert read_form(by_http, FORM, basic("a:b")).scopes == (SCOPE,)


@pytest.mark.parametrize(
    ("body", "content_type", "authorization", "code"),
    [
        (b"{}", "application/json", "", "invalid_request"),
        (b"", FORM, basic("a:b"), "invalid_request"),
        (b"\xff", FORM, basic("a:b"), "invalid_request"),
        (b"grant_type=client_credentials&scope=a&scope=b", FORM, basic("a:b"), "invalid_request"),
        (b"grant_type=client_credentials&client_secret=b", FORM, basic("a:b"), "invalid_request"),
        (b"grant_type=password", FORM, basic("a:b"), "unsupported_grant_type"),
        (b"grant_type=client_credentials", FORM, "", "invalid_client"),
        (b"grant_type=client_credentials&client_secret=b", FORM, "", "invalid_client"),
        (b"grant_type=client_credentials", FORM, "Bearer x", "invalid_client"),
        (b"grant_type=client_credentials", FORM, "Basic ?", "invalid_client"),
        (b"grant_type=client_credentials", FORM, basic("ab"), "invalid_client"),
        (b"grant_type=client_credentials&scope=everything", FORM, basic("a:b"), "invalid_scope"),
    ],
)
def test_a_token_request_that_does_not_fit_says_why(
    body: bytes, content_type: str, authorization: str, code: str
) -> None:
    with pytest.raises(TokenError) as refusal:
        read_form(body, content_type, authorization)
    assert refusal.value.code == code
    assert refusal.value.status == (401 if code == "invalid_client" else 400)


def test_a_token_opens_what_was_asked_for_and_no_more_than_the_client_may() -> None:
    names = list(SCOPES)
    assert granted([], None) == names
    assert granted([names[2]], None) == [names[2]]
    assert granted([], [names[1]]) == [names[1]]
    for asked, allowed in (([names[0]], [names[1]]), (["x"], None), ([], [])):
        with pytest.raises(TokenError):
            granted(asked, allowed)
