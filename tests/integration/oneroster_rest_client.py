"""A district with a journal, and clients of its OneRoster REST provider."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx

from chassis.auth import create_client
from chassis.database import DISTRICT
from chassis.service import Service
from services.gradebook.oneroster_rest.api import make_router
from services.gradebook.settings import Settings
from tests.integration.test_gradebook_journal import Journal

ROSTERING = "/ims/oneroster/rostering/v1p2"
GRADEBOOK = "/ims/oneroster/gradebook/v1p2"
SCOPE = "https://purl.imsglobal.org/spec/or/v1p2/scope/"


@dataclass
class Provider:
    """The API, and who may call it: the district, schools 1 and 2."""

    http: httpx.AsyncClient
    journal: Journal
    secrets: dict[str, str]
    schools: dict[str, UUID]
    _tokens: dict[tuple[str, str], str] = field(default_factory=dict)

    async def ask_token(self, form: dict[str, str], **options: Any) -> httpx.Response:
        """Asks the token endpoint."""
        return await self.http.post("/ims/oneroster/token", data=form, **options)

    async def token(self, by: str = "1", scope: str = "") -> str:
        """An access token; the scopes by their short names, all by default."""
        if (by, scope) not in self._tokens:
            client_id, _, secret = self.secrets[by].partition(".")
            form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
            if scope:
                form["scope"] = " ".join(SCOPE + name for name in scope.split())
            answer = await self.ask_token(form)
            assert answer.status_code == 200, answer.text
            self._tokens[by, scope] = answer.json()["access_token"]
        return self._tokens[by, scope]

    async def call(
        self,
        method: str,
        path: str,
        *,
        by: str = "1",
        scope: str = "",
        query: dict[str, Any] | None = None,
        **more: Any,
    ) -> httpx.Response:
        """Calls as a client."""
        headers = {"Authorization": f"Bearer {await self.token(by, scope)}"}
        return await self.http.request(method, path, headers=headers, params=query, **more)

    async def get(self, path: str, *, by: str = "1", **query: Any) -> httpx.Response:
        """Reads."""
        return await self.call("GET", path, by=by, query={name.rstrip("_"): value for name, value in query.items()})

    async def read(self, path: str, *, by: str = "1", **query: Any) -> list[dict[str, Any]]:
        """The items of a collection."""
        answer = await self.get(path, by=by, **query)
        assert answer.status_code == 200, answer.text
        (items,) = answer.json().values()
        assert isinstance(items, list)
        return items

    async def ids(self, path: str, *, by: str = "1", **query: Any) -> list[str]:
        """The ids of a collection's items."""
        return [item["sourcedId"] for item in await self.read(path, by=by, **query)]


async def provider_of(journal: Journal, **options: Any) -> Provider:
    """The API of a journal with schools 1 and 2, with these settings. The caller closes `http`."""
    settings = Settings(database_url="unused", kafka_bootstrap="unused", **options)
    router = make_router(journal.database, journal.clock, settings.public_url, settings.token_limits())
    service = Service(settings, journal.database, "Gradebook", routers=[router])
    schools = {number: await journal.id_of("school", number) for number in ("1", "2")}
    async with journal.database.transaction(DISTRICT) as conn:
        secrets = {number: await create_client(conn, school_id=id_, label=number) for number, id_ in schools.items()}
        secrets["district"] = await create_client(conn, school_id=None, label="district")
    transport = httpx.ASGITransport(service.app(), raise_app_exceptions=False)
    http = httpx.AsyncClient(transport=transport, base_url="http://gradebook")
    return Provider(http, journal, secrets, schools)
