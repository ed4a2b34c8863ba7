"""Every event: its example fits its schema, comes back as it was sent, and its id and key are what they always were."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import jsonschema_rs
import orjson
import pytest
from pydantic import ValidationError

from chassis.messages import headers_for
from contracts.base import Event, Fact, wire
from contracts.catalogue import EVENTS, EXAMPLES
from contracts.generate import released_schemas
from contracts.person_changed import PersonChanged
from contracts.schemas import schema_of

IDS = {
    "gradebook.school-changed.v1": "2c47abdc-0a89-5fb0-872d-537f415661d4",
    "gradebook.person-changed.v1": "b381b05c-90d4-56b2-bfab-41ed858168bf",
    "gradebook.study-group-changed.v1": "f39da098-efdf-5377-a16c-c1735147a4bb",
    "gradebook.mark-recorded.v1": "00eac6aa-06d7-5c22-a1fe-754531b10b44",
    "gradebook.final-grade-set.v1": "68b435ba-8d33-5885-8afd-1ead3f7f9adf",
    "gradebook.exam-result-recorded.v1": "c43d3b1b-f339-5555-8a84-53a25a792686",
    "gradebook.timetable-changed.v1": "87c60e1b-4019-5435-8ae4-0886d900b9ba",
    "gradebook.lesson-changed.v1": "13d0fef9-b57f-5f87-b70e-3649b09999fb",
    "gradebook.substitution-changed.v1": "20074780-497a-5278-8a86-e723efcba871",
    "gradebook.control-work-changed.v1": "e4cf5775-7d92-5f00-bcc1-e44163137fe5",
    "gradebook.homework-changed.v1": "4355c597-9748-52b6-b069-6e3e0e6d683d",
    "gradebook.recommendation-changed.v1": "e75b0dde-e982-55cf-95b5-e5897ab5fb0c",
    "gradebook.holidays-changed.v1": "bcc00ab2-6bab-5d0d-ad04-d0913ae400f2",
    "gradebook.attendance-recorded.v1": "e8d238cd-d547-5792-8160-facae0f4b91e",
    "gradebook.forecast-updated.v1": "ccc714a7-5901-502e-97af-0a6552d1747a",
    "consent.consent-changed.v1": "b0d24b66-5fc4-5424-b36b-89d6f8203de2",
    "consent.consent-heartbeat.v1": "ba3a550d-17d8-58ac-a392-7d01663a7279",
    "consent.invitation-issued.v1": "5e927899-fd3c-52c6-bcd2-25191f4c5d7c",
    "consent.erasure-requested.v1": "01bfee53-26c0-535c-afc9-af1b168b206a",
    "consent.data-erased.v1": "76cbea7a-9e4a-58bd-8d4a-b729d7e442f5",
    "gradebook.data-erased.v1": "3a75580f-9911-5dda-afec-97c4d50ffa74",
    "publisher.data-erased.v1": "75219729-6c9d-5f6e-abd7-c834ace1eeb6",
    "cabinet.data-erased.v1": "f2f0ccc1-8c3f-5e7c-8fba-f5fb3385f488",
    "extracts.data-erased.v1": "45f6a046-97c7-5232-8ac6-9709b369800f",
    "cabinet.account-changed.v1": "9fa9d2fb-f3f1-5255-a854-42fa5f0f66a7",
    "cabinet.results-visible.v1": "a3703e94-3a2a-58ea-a13c-6ef94d232844",
    "publisher.result-disclosed.v1": "45905d68-8c5e-52ee-8712-582b68d7ebc3",
    "publisher.disclosure-overdue.v1": "97e5410a-a182-58d5-911a-8860551155eb",
    "publisher.extract-requested.v1": "8eb34a81-8602-57c8-aba7-5e90b773ab45",
    "extracts.extract-printed.v1": "df40bed1-9cc0-58c9-b59a-d9b5ec93aa74",
    "extracts.extract-handed-over.v1": "67029fb4-94d6-5085-b88f-d8197fba08de",
}
"""Ids of the examples as they were first published. One that changes would be applied twice after a replay."""

FACTS = [example for example in EXAMPLES if isinstance(example, Fact)]
every_event = pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.TOPIC)


def fits(event: type[Event], value: Any) -> bool:
    """Whether a value fits the event's JSON Schema."""
    return jsonschema_rs.validator_for(schema_of(event), validate_formats=True).is_valid(value)


def everywhere(value: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """The value with every object in it changed, at every depth."""
    if isinstance(value, dict):
        return change({key: everywhere(part, change) for key, part in value.items()})
    if isinstance(value, list):
        return [everywhere(part, change) for part in value]
    return value


def with_news(part: dict[str, Any]) -> dict[str, Any]:
    """As a newer writer would send it."""
    return {**part, "added_later": {"some": ["thing"]}}


@every_event
def test_the_example_fits_the_schema_and_comes_back_as_it_was(example):
    assert fits(type(example), wire(example))
    assert orjson.loads(example.to_json()) == wire(example)
    assert type(example).from_json(example.to_json()) == example


@every_event
def test_the_example_fits_the_schema_that_was_released(example):
    released = released_schemas()
    if example.TOPIC in released:
        assert jsonschema_rs.validator_for(released[example.TOPIC]).is_valid(wire(example))


@every_event
def test_what_a_newer_writer_added_is_ignored_when_read(example):
    newer = everywhere(wire(example), with_news)
    assert type(example).from_json(orjson.dumps(newer)) == example
    assert fits(type(example), newer)


@every_event
def test_an_unknown_field_is_an_error_when_written(example):
    fields = {name: getattr(example, name) for name in type(example).model_fields}
    with pytest.raises(ValidationError, match="extra_forbidden"):
        type(example)(**fields, added_later=1)
    with pytest.raises(ValidationError, match="extra_forbidden"):
        type(example).model_validate(everywhere(wire(example), with_news))


@every_event
def test_a_field_that_is_required_cannot_be_left_out(example):
    for name in schema_of(type(example))["required"]:
        value = {key: part for key, part in wire(example).items() if key != name}
        assert not fits(type(example), value)
        with pytest.raises(ValidationError):
            type(example).from_json(orjson.dumps(value))


@every_event
def test_a_field_that_is_optional_may_be_left_out(example):
    required = set(schema_of(type(example))["required"])
    value = {key: part for key, part in wire(example).items() if key in required}
    assert fits(type(example), value)
    if example.TOPIC != "gradebook.final-grade-set.v1":
        type(example).from_json(orjson.dumps(value))


@every_event
def test_an_event_cannot_be_changed(example):
    with pytest.raises(ValidationError, match="frozen"):
        example.revision = 7


@every_event
def test_its_id_is_what_it_always_was(example):
    assert str(example.event_id()) == IDS[example.TOPIC]


def test_every_event_has_an_id_that_is_watched():
    assert set(IDS) == set(EVENTS)
    assert len(set(IDS.values())) == len(IDS)


@pytest.mark.parametrize("example", FACTS, ids=lambda example: example.TOPIC)
def test_the_id_follows_from_aggregate_and_revision_alone(example):
    later = example.model_copy(update={"revision": example.revision + 1})
    assert later.event_id() != example.event_id()
    assert later.aggregate() == example.aggregate()
    assert type(example).from_json(example.to_json()).event_id() == example.event_id()


@every_event
def test_keys_and_headers_hold_opaque_ids_and_nothing_personal(example):
    assert isinstance(example.key(), UUID)
    headers = headers_for(
        event_id=example.event_id(),
        event_type=example.TOPIC,
        subject=str(example.key()),
        time=example.occurred_at(),
        traceparent=None,
    )
    seen = [str(example.key()), *(value.decode() for name, value in headers if name not in ("ce_time", "ce_type"))]
    told = [text for text in _texts(wire(example)) if len(text) > 3 and not _is_id(text)]
    assert [text for text in told if any(text in value for value in seen)] == []


def test_only_two_events_may_tell_names_or_addresses():
    personal = {"name", "family", "given", "patronymic", "birth_date", "email", "contact", "address", "phone"}
    telling = {name for name, event in EVENTS.items() if personal & set(_fields(schema_of(event)))}
    schools_are_no_persons = {"gradebook.school-changed.v1", "gradebook.study-group-changed.v1"}
    assert telling - schools_are_no_persons == {PersonChanged.TOPIC, "consent.consent-changed.v1"}


def test_only_what_can_be_erased_by_a_tombstone_is_compacted():
    assert [name for name, event in EVENTS.items() if event.COMPACTED] == [PersonChanged.TOPIC]
    example = next(example for example in EXAMPLES if isinstance(example, PersonChanged))
    assert example.key() == example.aggregate() == example.person_id


@every_event
def test_what_is_about_a_student_is_keyed_by_the_student(example):
    student = getattr(example, "student_id", None)
    if student is None:
        assert "student_id" not in type(example).model_fields
    else:
        assert example.key() == student


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for part in value.values() for text in _texts(part)]
    if isinstance(value, list):
        return [text for part in value for text in _texts(part)]
    return [value] if isinstance(value, str) else []


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _fields(schema: Any) -> list[str]:
    if isinstance(schema, list):
        return [name for part in schema for name in _fields(part)]
    if not isinstance(schema, dict):
        return []
    return [*schema.get("properties", {}), *(name for part in schema.values() for name in _fields(part))]
