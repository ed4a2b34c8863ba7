"""How often access tokens may be asked for: whoever tries secrets, or never keeps a token, has to wait.

As with sign-ins, wrong secrets count for the client and the address together: nobody can shut out another's client.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from chassis.addresses import Network
from chassis.database import Connection
from services.gradebook import metrics
from services.gradebook.oneroster_rest import token_queries as queries
from services.gradebook.oneroster_rest.statuses import Minor, StatusInfo
from services.gradebook.oneroster_rest.token_queries import Asking
from services.gradebook.queries import lock

_FORGOTTEN_AT_ONCE = 1000


@dataclass(frozen=True)
class TokenLimits:
    """The limits; what is refused because of them does not count."""

    window: timedelta = timedelta(minutes=15)
    """Over which requests are counted."""
    failures_per_client: int = 10
    """Wrong secrets of one client from one address."""
    failures_per_address: int = 100
    """Wrong secrets from one address."""
    requests_per_client: int = 400
    """Requests of one client with the right secret."""
    trusted_proxies: tuple[Network, ...] = ()


USUAL_LIMITS = TokenLimits()


def asking(client_id: str, address: str) -> Asking:
    """Who asks, as far as it is kept."""
    return Asking(sha256(client_id.encode()).digest(), sha256(f"address:{address}".encode()).digest())


async def demand_room(conn: Connection, limits: TokenLimits, who: Asking, now: datetime) -> None:
    """Lets a request on that is not one too many; others of the same client and address wait until it is answered.

    Raises:
        StatusInfo: 429, it is; and when to come again.
    """
    await lock(conn, f"oneroster_token/{who.client_sha256.hex()}/{who.address_sha256.hex()}")
    failures = limits.failures_per_client, limits.failures_per_address
    used_up = await queries.counted_from(
        conn, who, now - limits.window, failures=failures, requests=limits.requests_per_client
    )
    if used_up is None:
        await queries.forget_requests(conn, now - limits.window, _FORGOTTEN_AT_ONCE)
        return
    metrics.TOKEN_REQUESTS.labels("limited").inc()
    seconds = max(1, math.ceil((used_up + limits.window - now).total_seconds()))
    raise StatusInfo(
        429,
        Minor.SERVER_BUSY,
        "Слишком много запросов токена: подождите. / Too many requests for a token: wait.",
        headers={"Retry-After": str(seconds), "Cache-Control": "no-store"},
    )


async def note(conn: Connection, who: Asking, now: datetime, *, known: bool) -> None:
    """Counts a request by whether its secret was right."""
    await queries.note_request(conn, who, now, known=known)
    metrics.TOKEN_REQUESTS.labels("known" if known else "wrong").inc()
