"""The API against its own description: whatever is sent, the answer is one that the OpenAPI document tells of."""

import asyncio
import itertools
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import hypothesis
import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from chassis.auth import create_client
from chassis.database import DISTRICT
from services.gradebook.app import build
from services.gradebook.settings import Settings
from sutki.stack.ports import free_port
from tests.integration.test_gradebook_journal import Journal, district, journal
from tests.support.waiting import eventually

__all__ = ["district", "journal"]

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
SECONDS = 30
"""How long further examples are sought after every operation had its first ones; whoever seeks longer raises it."""
EXAMPLES = 2
"""Of each operation in each round, as described and once more as not described."""


@dataclass(frozen=True)
class Served:
    """A running API."""

    address: str
    headers: dict[str, str]
    document: dict[str, Any]
    known: dict[str, list[str]]
    """Values of path parameters that mean something."""


@asynccontextmanager
async def serving(district: Journal) -> AsyncIterator[Served]:
    """The service's own application on a port, with a token of the district."""
    port = free_port()
    settings = Settings(database_url=district.database.url, kafka_bootstrap="unused", http_port=port)
    service = await build(settings)
    app = service.app()
    async with district.database.transaction(DISTRICT) as conn:
        token = await create_client(conn, school_id=None, label="district")
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, access_log=False))
    running = asyncio.create_task(server.serve())
    try:
        await eventually(lambda: server.started, within=20)
        yield Served(
            f"http://127.0.0.1:{port}",
            {"Authorization": f"Bearer {token}"},
            app.openapi(),
            {
                "school_id": [str(await district.id_of("school", "1"))],
                "group_id": [str(await district.id_of("group", "7a"))],
                "student_id": [str(await district.id_of("person", "s1"))],
                "period_id": ["q1"],
                "class_id": ["7a"],
                "own_id": ["m1", "g1", "e1"],
                "result_id": ["g1", "g2"],
            },
        )
    finally:
        server.should_exit = True
        await running
        await service.database.close()


def _operations(served: Served, paths: str) -> list[Any]:
    for methods in served.document["paths"].values():
        for operation in methods.values():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                if "maxItems" in content["schema"]:
                    # Thousands of records say no more than a few, and take long to make up.
                    content["schema"]["maxItems"] = 3
    schema = schemathesis.openapi.from_dict(served.document).include(path_regex=paths)
    operations: Iterator[Any] = schema.get_all_operations()
    return [found.ok() for found in operations]


def _meaningful(case: Any, served: Served, number: int) -> None:
    """Every second case is about something that exists: otherwise each answer would be 404."""
    if number % 2:
        return
    for name in case.path_parameters or {}:
        if name in served.known:
            case.path_parameters[name] = served.known[name][number // 2 % len(served.known[name])]


def _try(operation: Any, mode: GenerationMode, served: Served, examples: int, *, seed: int) -> Counter[int]:
    """Sends examples of an operation and checks every answer.

    Returns:
        The statuses of the answers.
    """
    seen: Counter[int] = Counter()

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(case=operation.as_strategy(mode))
    def send(case: Any) -> None:
        _meaningful(case, served, seed + seen.total())
        response = case.call(base_url=served.address, headers=served.headers)
        seen[response.status_code] += 1
        case.validate_response(response, checks=CHECKS, headers=served.headers)

    send()
    return seen


def explore(
    served: Served, seconds: float, examples: int, paths: str = "^/v1/"
) -> tuple[dict[str, Counter[int]], list[str]]:
    """Every operation of these paths in both ways, again and again until the time is over.

    Returns:
        The statuses of each operation's answers, and what was wrong.
    """
    started = time.monotonic()
    answers: dict[str, Counter[int]] = defaultdict(Counter)
    faults: list[str] = []
    operations = _operations(served, paths)
    turns = ((turn, *each) for turn in itertools.count() for each in itertools.product(GenerationMode, operations))
    for turn, mode, operation in turns:
        if faults or (turn and time.monotonic() - started > seconds):
            break
        try:
            answers[operation.label] += _try(operation, mode, served, examples, seed=turn)
        except hypothesis.errors.Unsatisfiable:
            # Nothing about it could be wrong.
            answers[operation.label] += Counter()
        except BaseExceptionGroup as group:
            faults.append(f"{operation.label}: {group!r}"[:3000])
    return answers, faults


@pytest.mark.timeout(180)
async def test_every_answer_is_one_that_the_document_tells_of(district: Journal) -> None:
    async with serving(district) as served:
        answers, faults = await asyncio.to_thread(explore, served, SECONDS, EXAMPLES)
        statuses = sum(answers.values(), Counter[int]())
        assert not faults, "\n".join(faults)
    assert len(answers) > 70, answers
    assert statuses[200] > 30, statuses
    assert not {status for status in statuses if status >= 500}


async def test_every_operation_has_an_id_and_its_problems(district: Journal) -> None:
    async with serving(district) as served:
        operations = [
            operation
            for path, methods in served.document["paths"].items()
            if path.startswith("/v1/")
            for operation in methods.values()
        ]
    ids = Counter(operation["operationId"] for operation in operations)
    assert max(ids.values()) == 1
    for operation in operations:
        assert {"401", "403", "422"} <= operation["responses"].keys()
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                assert list(response["content"]) == ["application/problem+json"]
    assert isinstance(UUID(served.known["school_id"][0]), UUID)
