"""Who gets an access token and what it opens; and that OpenAPI says what the API does."""

import base64
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import jsonschema_rs
import pytest

from chassis.auth import revoke_client
from chassis.database import DISTRICT
from chassis.service import Service
from services.gradebook import api
from services.gradebook.oneroster_rest.routes import READS
from services.gradebook.oneroster_rest.token_queries import set_client
from services.gradebook.oneroster_rest.tokens import MAX_TOKENS, TOKEN_SECONDS
from services.gradebook.settings import Settings
from tests.integration.oneroster_rest_client import GRADEBOOK, ROSTERING, SCOPE, Provider, provider_of
from tests.integration.test_gradebook_journal import Journal, district, journal
from tests.integration.test_oneroster_rest_reading import minor

__all__ = ["district", "journal"]

GRANT = {"grant_type": "client_credentials"}


@pytest.fixture
async def provider(district: Journal) -> AsyncIterator[Provider]:
    """The provider of the small district."""
    provider = await provider_of(district)
    async with provider.http:
        yield provider


def basic(client_id: str, secret: str) -> dict[str, str]:
    """An Authorization header."""
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


async def with_token(provider: Provider, token: str) -> httpx.Response:
    """Reads with a token."""
    return await provider.http.get(f"{ROSTERING}/schools", headers={"Authorization": f"Bearer {token}"})


async def test_a_client_gets_a_token_for_an_hour_of_which_only_a_hash_is_kept(provider: Provider) -> None:
    client_id, _, secret = provider.secrets["1"].partition(".")
    answer = await provider.ask_token(GRANT, headers=basic(client_id, secret))
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    body = answer.json()
    assert (body["token_type"], body["expires_in"]) == ("bearer", TOKEN_SECONDS)
    assert f"{SCOPE}gradebook.createput" in body["scope"].split()
    assert (await with_token(provider, body["access_token"])).status_code == 200
    (row,) = await provider.journal.rows("SELECT * FROM oneroster_tokens")
    assert body["access_token"] not in str(row)
    provider.journal.clock.advance(timedelta(seconds=TOKEN_SECONDS))
    expired = await with_token(provider, body["access_token"])
    assert (expired.status_code, minor(expired.json())) == (401, "unauthorisedrequest")
    assert expired.headers["www-authenticate"] == 'Bearer realm="sutki", error="invalid_token"'
    await provider.ask_token(GRANT, headers=basic(client_id, secret))
    assert len(await provider.journal.rows("SELECT * FROM oneroster_tokens")) == 1, "expired ones are forgotten"


async def test_without_a_token_nothing_is_read_or_written(provider: Provider) -> None:
    document = (await provider.http.get("/openapi.json")).json()
    tried = 0
    for path, methods in document["paths"].items():
        if path == "/ims/oneroster/token":
            continue
        for method in methods:
            for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": f"Bearer {provider.secrets['1']}"}):
                answer = await provider.http.request(
                    method.upper(), path.replace("{", "").replace("}", ""), headers=headers
                )
                assert (answer.status_code, minor(answer.json())) == (401, "unauthorisedrequest"), path
                assert answer.headers["www-authenticate"].startswith("Bearer ")
                tried += 1
    assert tried > 150


async def test_wrong_credentials_are_refused_alike(provider: Provider) -> None:
    client_id, _, secret = provider.secrets["1"].partition(".")
    async with provider.journal.database.transaction(DISTRICT) as conn:
        revoked, _, revoked_secret = provider.secrets["2"].partition(".")
        await revoke_client(conn, UUID(revoked))
    answers = [
        await provider.ask_token(GRANT, headers=basic(*pair))
        for pair in (
            (client_id, "wrong"),
            (client_id, ""),
            (str(uuid4()), secret),
            ("nobody", secret),
            (revoked, revoked_secret),
            (client_id, provider.secrets["1"]),
        )
    ]
    for answer in answers:
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
        assert answer.headers["www-authenticate"].startswith("Basic ")
        assert answer.headers["cache-control"] == "no-store"
        assert answer.json() == answers[0].json()


async def test_a_token_ends_with_its_client(provider: Provider) -> None:
    token = await provider.token("1")
    assert (await with_token(provider, token)).status_code == 200
    async with provider.journal.database.transaction(DISTRICT) as conn:
        await revoke_client(conn, UUID(provider.secrets["1"].partition(".")[0]))
    assert (await with_token(provider, token)).status_code == 401


async def test_a_client_gets_no_more_scopes_than_it_may_have(provider: Provider) -> None:
    client_id, _, secret = provider.secrets["1"].partition(".")
    async with provider.journal.database.transaction(DISTRICT) as conn:
        await set_client(conn, UUID(client_id), source="district", scopes=[f"{SCOPE}roster-core.readonly"])
    form = GRANT | {"client_id": client_id, "client_secret": secret}
    answer = await provider.ask_token(form)
    assert answer.json()["scope"] == f"{SCOPE}roster-core.readonly"
    refused = await provider.ask_token(form | {"scope": f"{SCOPE}gradebook.createput"})
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_scope")


async def test_what_was_let_in_for_oneroster_opens_nothing_else(provider: Provider) -> None:
    journal, secret = provider.journal, provider.secrets["1"]
    settings = Settings(database_url="unused", kafka_bootstrap="unused")
    routers = [api.make_router(journal.database, journal.clock, settings)]
    app = Service(settings, journal.database, "Gradebook", routers=routers).app()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gradebook") as http:
        asked = "/v1/changes", {"Authorization": f"Bearer {secret}"}
        assert (await http.get(asked[0], headers=asked[1])).status_code == 200
        async with journal.database.transaction(DISTRICT) as conn:
            client_id = UUID(secret.partition(".")[0])
            await set_client(conn, client_id, source="district", scopes=[f"{SCOPE}roster-core.readonly"])
        answer = await http.get(asked[0], headers=asked[1])
    assert (answer.status_code, answer.json()["code"]) == (403, "oneroster_only")


async def test_a_client_reads_the_ids_of_its_own_source(provider: Provider) -> None:
    files = {"schools": "school_id,name,address,time_zone\n1,Другая школа,,\n"}
    await provider.journal.take(files, source="other")
    async with provider.journal.database.transaction(DISTRICT) as conn:
        client_id = UUID(provider.secrets["district"].partition(".")[0])
        await set_client(conn, client_id, source="other", scopes=[f"{SCOPE}roster-core.readonly"])
    schools = await provider.read(f"{ROSTERING}/schools", by="district")
    assert [school["name"] for school in schools] == ["Другая школа"]


async def test_a_client_keeps_the_newest_of_many_tokens(provider: Provider) -> None:
    client_id, _, secret = provider.secrets["1"].partition(".")
    first = await provider.token("1")
    for _ in range(MAX_TOKENS):
        provider.journal.clock.advance(timedelta(milliseconds=1))
        answer = await provider.ask_token(GRANT, headers=basic(client_id, secret))
    assert (await with_token(provider, answer.json()["access_token"])).status_code == 200
    assert (await with_token(provider, first)).status_code == 401
    assert len(await provider.journal.rows("SELECT * FROM oneroster_tokens")) == MAX_TOKENS


async def test_other_requests_for_a_token_are_answered_as_oauth_says(provider: Provider) -> None:
    client_id, _, secret = provider.secrets["1"].partition(".")
    wrong: list[tuple[dict[str, str], str]] = [
        ({}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        (GRANT | {"scope": "everything"}, "invalid_scope"),
        (GRANT | {"scope": "x" * 20_000}, "invalid_request"),
    ]
    for form, code in wrong:
        answer = await provider.ask_token(form, headers=basic(client_id, secret))
        assert (answer.status_code, answer.json()["error"]) == (400, code)
    assert (await provider.http.post("/ims/oneroster/token", json=GRANT)).json()["error"] == "invalid_request"


async def test_openapi_describes_every_path_and_every_answer_fits_it(provider: Provider) -> None:
    document = (await provider.http.get("/openapi.json")).json()
    paths = document["paths"]
    operations = [operation["operationId"] for methods in paths.values() for operation in methods.values()]
    assert len(operations) == len(set(operations))
    for read in READS:
        path = f"{read.base}/{read.path}"
        described = paths[path]["get"]
        names = {parameter["name"] for parameter in described["parameters"] if parameter["in"] == "query"}
        assert names == {"limit", "offset", "sort", "orderBy", "filter", "fields", "after"}
        assert [one["name"] for one in described["parameters"] if one["in"] == "path"] == read.parents
        if not read.parents:
            await _fits(provider, document, described, path)
    refused = await provider.get(f"{GRADEBOOK}/results", filter="x='1'")
    schema = paths[f"{GRADEBOOK}/results"]["get"]["responses"]["400"]["content"]["application/json"]["schema"]
    jsonschema_rs.validator_for(schema | {"components": document["components"]}).validate(refused.json())


async def _fits(provider: Provider, document: dict[str, Any], described: dict[str, Any], path: str) -> None:
    schema = described["responses"]["200"]["content"]["application/json"]["schema"]
    validator = jsonschema_rs.validator_for(schema | {"components": document["components"]})
    for query in ({}, {"fields": "sourcedId"}):
        answer = await provider.get(path, by="district", **query)
        assert answer.status_code == 200
        validator.validate(answer.json())
        assert not validator.is_valid({"something": []})
