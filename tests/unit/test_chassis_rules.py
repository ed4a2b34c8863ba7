"""The chassis' pure parts: ids, settings, which failures pass, problems, headers."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, ClassVar
from uuid import uuid4

import asyncpg
import httpx
import pytest
from aiokafka.errors import KafkaConnectionError, MessageSizeTooLargeError
from asyncpg.exceptions._base import DataError
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from chassis import problems
from chassis.auth import Client
from chassis.database import DISTRICT
from chassis.errors import is_transient
from chassis.http import BodyGuard
from chassis.ids import pseudonym
from chassis.messages import headers_for, read_headers
from chassis.problems import Fault, Problem
from chassis.settings import EXIT_CONFIG, ServiceSettings, load


class Settings(ServiceSettings):
    SERVICE: ClassVar[str] = "consent"


@given(st.text(), st.text())
def test_a_pseudonym_is_stable_and_tells_nothing_without_the_key(one: str, other: str):
    key = b"k" * 32
    assert pseudonym(key, "district", "person", one) == pseudonym(key, "district", "person", one)
    assert pseudonym(key, "district", "person", one) != pseudonym(b"q" * 32, "district", "person", one)
    assert (pseudonym(key, one) == pseudonym(key, other)) is (one == other)
    assert pseudonym(key, one).version == 8


def test_parts_of_a_pseudonym_cannot_be_shifted():
    assert pseudonym(b"k", "ab", "c") != pseudonym(b"k", "a", "bc")


def test_a_services_own_variable_wins_over_the_common_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SUTKI_KAFKA_BOOTSTRAP", "common:9092")
    monkeypatch.setenv("SUTKI_CONSENT_KAFKA_BOOTSTRAP", "own:9092")
    monkeypatch.setenv("SUTKI_DATABASE_URL", "postgresql:///x")
    monkeypatch.setenv("SUTKI_CONSENT_HTTP_PORT", "8102")
    assert load(Settings).kafka_bootstrap == "own:9092"
    assert load(Settings).database_url == "postgresql:///x"


def test_a_wrong_setting_ends_the_process_with_its_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("SUTKI_CONSENT_HTTP_PORT", "99999")
    with pytest.raises(SystemExit) as ended:
        load(Settings)
    assert ended.value.code == EXIT_CONFIG
    complaint = capsys.readouterr().err
    assert "SUTKI_CONSENT_HTTP_PORT" in complaint
    assert "SUTKI_CONSENT_DATABASE_URL (or SUTKI_DATABASE_URL)" in complaint


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (ConnectionRefusedError(), True),
        (TimeoutError(), True),
        (asyncpg.DeadlockDetectedError("x"), True),
        (asyncpg.AdminShutdownError("x"), True),
        (asyncpg.DiskFullError("x"), True),
        (asyncpg.CannotConnectNowError("x"), True),
        (asyncpg.InterfaceError("connection is closed"), True),
        (asyncpg.InterfaceError("the server expects 3 arguments for this query, 2 were passed"), False),
        (DataError("invalid input for query argument $1: 'the pool of a connection'"), False),
        (KafkaConnectionError(), True),
        (MessageSizeTooLargeError(), False),
        (asyncpg.UniqueViolationError("x"), False),
        (asyncpg.CheckViolationError("x"), False),
        (KeyError("x"), False),
    ],
)
def test_only_failures_that_pass_by_themselves_are_waited_for(error: BaseException, passes: bool):
    assert is_transient(error) is passes


def test_headers_are_those_of_cloudevents_in_binary_mode():
    event_id = uuid4()
    headers = headers_for(
        event_id=event_id,
        event_type="gradebook.final-grade-set.v1",
        subject="s",
        time=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        traceparent="00-aa-bb-01",
    )
    assert read_headers(headers) == {
        "ce_specversion": "1.0",
        "ce_id": str(event_id),
        "ce_source": "/sutki/gradebook",
        "ce_type": "gradebook.final-grade-set.v1",
        "ce_time": "2026-01-02T03:04:00+00:00",
        "ce_subject": "s",
        "content-type": "application/json",
        "traceparent": "00-aa-bb-01",
    }


def test_headers_that_are_no_text_do_not_stop_a_reader():
    assert read_headers([("ce_id", b"\xff\xfe"), ("n", None)]) == {"ce_id": "��"}
    assert read_headers(None) == {}


class Mark(BaseModel):
    value: Annotated[int, Field(ge=1, le=5)]


async def test_a_body_that_does_not_fit_gets_pointers_to_its_faults():
    app = FastAPI()
    problems.install(app)

    @app.post("/marks")
    async def take(marks: list[Mark]) -> int:
        return len(marks)

    @app.get("/broken")
    async def broken() -> None:
        raise Problem(409, "taken", "It is taken.", errors=[Fault("/a~1b", "x", "y")])

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        answer = await client.post("/marks", json=[{"value": 5}, {"value": 9}, {}])
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"
        assert [fault["pointer"] for fault in answer.json()["errors"]] == ["/1/value", "/2/value"]
        assert answer.json()["code"] == "invalid_request"
        taken = (await client.get("/broken")).json()
        assert taken["code"] == "taken"
        assert taken["errors"] == [{"pointer": "/a~1b", "code": "x", "detail": "y"}]
        assert (await client.get("/nowhere")).json()["code"] == "not_found"


def test_a_schools_client_may_not_touch_another_school_and_a_districts_may():
    own, foreign = uuid4(), uuid4()
    client = Client(uuid4(), own)
    assert client.require_school(own).school_id == str(own)
    with pytest.raises(Problem) as refused:
        client.require_school(foreign)
    assert refused.value.status == 403
    with pytest.raises(Problem):
        client.require_district()
    assert Client(uuid4(), None).require_school(foreign).school_id == str(foreign)
    assert Client(uuid4(), None).scope() == DISTRICT


async def test_a_body_that_is_too_long_is_refused_whether_it_says_so_or_not():
    app = FastAPI()
    problems.install(app)

    @app.post("/marks")
    async def take(marks: list[int]) -> int:
        return len(marks)

    app.add_middleware(BodyGuard, max_bytes=100)

    async def in_pieces() -> AsyncIterator[bytes]:
        yield b"["
        for _ in range(100):
            yield b"1,"
        yield b"1]"

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        assert (await client.post("/marks", json=[1, 2, 3])).json() == 3
        told = await client.post("/marks", content=b"[" + b"1," * 100 + b"1]")
        assert (told.status_code, told.json()["code"]) == (413, "body_too_long")
        untold = await client.post("/marks", content=in_pieces(), headers={"content-type": "application/json"})
        assert (untold.status_code, untold.json()["code"]) == (413, "body_too_long")
