"""What every service does before a route's own code: who may send a body, how much of it, and what is counted."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Annotated, Any, ClassVar

import httpx
import pytest
from fastapi import APIRouter, Depends, Request
from prometheus_client import REGISTRY
from pydantic import BaseModel

from chassis.auth import Client, client_auth, create_client
from chassis.database import DISTRICT, Database
from chassis.service import Service
from chassis.settings import ServiceSettings
from sutki.stack.ports import free_port
from tests.support.databases import ServiceDatabases
from tests.support.waiting import eventually

MEGABYTE = 1024 * 1024
LIMIT = 4 * MEGABYTE


class Settings(ServiceSettings):
    SERVICE: ClassVar[str] = "consent"


class Body(BaseModel):
    text: str


class Sent:
    """A body of many megabytes, and how many of them somebody has asked for."""

    def __init__(self, megabytes: int = 50) -> None:
        self.megabytes = megabytes
        self.pieces = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for _ in range(self.megabytes):
            self.pieces += 1
            yield b" " * MEGABYTE


@pytest.fixture
async def database(service_database: ServiceDatabases) -> Database:
    return await service_database("consent")


@pytest.fixture
async def http(database: Database) -> AsyncIterator[httpx.AsyncClient]:
    router = APIRouter(prefix="/v1")
    caller = Annotated[Client, Depends(client_auth(database))]

    @router.post("/model")
    async def model(client: caller, body: Body) -> int:
        return len(body.text)

    async def school_of(client: caller) -> Client:
        return client

    @router.post("/nested")
    async def nested(client: Annotated[Client, Depends(school_of)], body: list[Body]) -> int:
        return len(body)

    @router.post("/stream")
    async def stream(request: Request, client: caller) -> int:
        return sum([len(part) async for part in request.stream()])

    @router.post("/open")
    async def open_to_all(body: Body) -> int:
        return len(body.text)

    settings = Settings(database_url="unused", kafka_bootstrap="unused", http_port=8102, http_max_body_bytes=LIMIT)
    app = Service(settings=settings, database=database, title="test", routers=[router]).app()
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


@pytest.fixture
async def token(database: Database) -> dict[str, str]:
    async with database.transaction(DISTRICT) as conn:
        return {"Authorization": f"Bearer {await create_client(conn, school_id=None, label='test')}"}


@pytest.mark.parametrize("path", ["/v1/model", "/v1/nested", "/v1/stream"])
@pytest.mark.parametrize("authorization", [None, "Bearer nonsense", "Basic YTpi"])
async def test_a_body_of_somebody_unknown_is_not_read(http: httpx.AsyncClient, path: str, authorization: str | None):
    sent = Sent()
    headers = {"Authorization": authorization} if authorization else {}
    answer = await http.post(path, content=sent, headers=headers | {"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert sent.pieces == 0


@pytest.mark.parametrize("path", ["/v1/model", "/v1/stream", "/v1/open"])
async def test_of_a_body_that_does_not_say_how_long_it_is_no_more_is_read_than_is_allowed(
    http: httpx.AsyncClient, token: dict[str, str], path: str
):
    sent = Sent()
    answer = await http.post(path, content=sent, headers=token | {"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_long")
    assert sent.pieces == LIMIT // MEGABYTE + 1


async def test_a_body_that_says_that_it_is_too_long_is_not_read(http: httpx.AsyncClient, token: dict[str, str]):
    sent = Sent()
    headers = token | {"Content-Type": "application/json", "Content-Length": str(50 * MEGABYTE)}
    answer = await http.post("/v1/model", content=sent, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_long")
    assert sent.pieces == 0


async def test_who_is_known_is_served(http: httpx.AsyncClient, token: dict[str, str]):
    assert (await http.post("/v1/model", json={"text": "abc"}, headers=token)).json() == 3
    assert (await http.post("/v1/nested", json=[{"text": "abc"}], headers=token)).json() == 1
    assert (await http.post("/v1/stream", content=Sent(2), headers=token)).json() == 2 * MEGABYTE
    assert (await http.post("/v1/open", json={"text": "abcd"})).json() == 4
    assert (await http.post("/v1/model", json={"text": 1}, headers=token)).status_code == 422


async def test_a_caller_who_cannot_be_looked_up_is_our_failure_and_not_theirs(
    http: httpx.AsyncClient, token: dict[str, str], service_database: ServiceDatabases
):
    async with service_database.as_superuser("consent") as owner:
        await owner.execute("REVOKE SELECT ON api_clients FROM sutki_consent")
    answer = await http.post("/v1/model", json={"text": "abc"}, headers=token)
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")


async def test_what_a_caller_makes_up_makes_no_time_series(http: httpx.AsyncClient):
    before = labels()
    for number in range(20):
        assert (await http.get(f"/made-up/{number}")).status_code == 404
        assert (await http.request(f"MADEUP{number}", "/v1/model")).status_code == 405
        assert (await http.request(f"MADEUP{number}", f"/made-up/{number}")).status_code == 404
    new = labels() - before
    assert new <= {("GET", "unmatched", "404"), ("other", "unmatched", "404"), ("other", "/v1/model", "405")}
    assert ("other", "unmatched", "404") in labels()


@asynccontextmanager
async def serving(service: Service) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(service.run(stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, 30)


def a_service(database: Database, *routers: APIRouter, **values: Any) -> Service:
    settings = Settings(database_url="unused", kafka_bootstrap="unused", http_port=free_port(), **values)
    return Service(settings=settings, database=database, title="test", routers=list(routers), roles=("api",))


async def status(port: int | None, path: str) -> int:
    async with httpx.AsyncClient(trust_env=False) as client:
        try:
            return (await client.get(f"http://127.0.0.1:{port}{path}")).status_code
        except httpx.ConnectError:
            return 0


MACHINES = ["/health/live", "/health/ready", "/metrics"]


async def test_health_and_metrics_have_a_port_of_their_own_where_one_is_set(database: Database):
    service = a_service(database, internal_port=free_port())
    inside, outside = service.settings.internal_port, service.settings.http_port
    async with serving(service):
        await eventually(lambda: _is(status(inside, "/health/ready"), 200), within=10)
        await eventually(lambda: _is(status(outside, "/health/ready"), 404), within=10)
        assert [await status(inside, path) for path in MACHINES] == [200, 200, 200]
        assert [await status(outside, path) for path in MACHINES] == [404, 404, 404]
        assert await status(inside, "/openapi.json") == 404
    assert await status(inside, "/health/live") == 0, "both stop"


async def test_without_a_port_of_their_own_they_are_on_the_services(database: Database):
    service = a_service(database)
    async with serving(service):
        await eventually(lambda: _is(status(service.settings.http_port, "/health/ready"), 200), within=10)
        assert [await status(service.settings.http_port, path) for path in MACHINES] == [200, 200, 200]


async def _is(question: Awaitable[int], answer: int) -> bool:
    return await question == answer


@pytest.mark.parametrize(("in_schema", "answer"), [(True, 200), (False, 404)])
async def test_what_has_no_api_has_no_description_of_one(database: Database, in_schema: bool, answer: int):
    router = APIRouter()

    @router.get("/page", include_in_schema=in_schema)
    async def page() -> int:
        return 1

    transport = httpx.ASGITransport(a_service(database, router).app())
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        assert (await client.get("/openapi.json")).status_code == answer
        assert (await client.get("/page")).status_code == 200


async def test_the_server_itself_believes_no_forwarded_address(database: Database):
    router = APIRouter()

    @router.get("/whence")
    async def whence(request: Request) -> str:
        return request.client.host if request.client else ""

    service = a_service(database, router)
    port = service.settings.http_port
    async with serving(service), httpx.AsyncClient(trust_env=False) as client:
        await eventually(lambda: _is(status(port, "/whence"), 200), within=10)
        answer = await client.get(f"http://127.0.0.1:{port}/whence", headers={"X-Forwarded-For": "198.51.100.1"})
        assert answer.json() == "127.0.0.1"


def labels() -> set[tuple[str, str, str]]:
    return {
        (sample.labels["method"], sample.labels["route"], sample.labels["status"])
        for metric in REGISTRY.collect()
        for sample in metric.samples
        if sample.name == "sutki_http_request_seconds_count"
    }
