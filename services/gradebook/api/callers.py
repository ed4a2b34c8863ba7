"""Who may call this API: clients of the district and of schools, but none that was let in for OneRoster alone."""

from uuid import UUID

from chassis.auth import Client, ClientAuth
from chassis.database import DISTRICT
from chassis.problems import Problem

_ONEROSTER_ONLY = "SELECT EXISTS (SELECT FROM oneroster_clients WHERE client_id = $1)"


class JournalAuth(ClientAuth):
    """Refuses clients that were given a source or scopes of OneRoster: their secret must not open more than those."""

    async def _find(self, authorization: str) -> Client:
        client = await super()._find(authorization)
        if await self._for_oneroster_only(client.client_id):
            raise Problem(403, "oneroster_only", "This client may use OneRoster over HTTP only.")
        return client

    async def _for_oneroster_only(self, client_id: UUID) -> bool:
        async with self._database.transaction(DISTRICT) as conn:
            return bool(await conn.fetchval(_ONEROSTER_ONLY, client_id))
