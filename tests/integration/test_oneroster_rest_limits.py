"""How often access tokens may be asked for: who tries secrets, or never keeps a token, waits; nobody else does."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from services.gradebook import metrics
from tests.integration.oneroster_rest_client import Provider, provider_of
from tests.integration.test_gradebook_journal import Journal, district, journal
from tests.integration.test_oneroster_rest_access import GRANT, basic
from tests.integration.test_oneroster_rest_reading import minor

__all__ = ["district", "journal"]

FEW: dict[str, Any] = {
    "token_window_seconds": 600,
    "token_failures_per_client": 3,
    "token_failures_per_address": 5,
    "tokens_per_client": 6,
    # The client of these tests calls from here.
    "trusted_proxies": "127.0.0.1",
}


@pytest.fixture
async def provider(district: Journal) -> AsyncIterator[Provider]:
    """The provider of the small district, with a proxy before it and low limits."""
    provider = await provider_of(district, **FEW)
    async with provider.http:
        yield provider


async def ask(provider: Provider, secret: str = "", *, by: str = "1", address: str = "198.51.100.1") -> httpx.Response:
    """Asks for a token; with the right secret when none is given."""
    client_id, _, own = provider.secrets.get(by, f"{by}.x").partition(".")
    headers = basic(client_id, secret or own) | {"X-Forwarded-For": address}
    return await provider.ask_token(GRANT, headers=headers)


async def test_after_a_few_wrong_secrets_a_client_waits_at_that_address_and_the_right_one_too(
    provider: Provider,
) -> None:
    before = metrics.TOKEN_REQUESTS.labels("limited")._value.get()
    for _ in range(3):
        assert (await ask(provider, "wrong")).status_code == 401
        provider.journal.clock.advance(timedelta(seconds=10))
    for secret in ("wrong", ""):
        answer = await ask(provider, secret)
        assert (answer.status_code, minor(answer.json())) == (429, "server_busy")
        assert answer.headers["retry-after"] == "570"
    assert metrics.TOKEN_REQUESTS.labels("limited")._value.get() == before + 2
    provider.journal.clock.advance(timedelta(seconds=569))
    assert (await ask(provider)).headers["retry-after"] == "1"
    provider.journal.clock.advance(timedelta(seconds=1))
    assert (await ask(provider)).status_code == 200, "what was refused meanwhile did not count"
    assert [(await ask(provider, "wrong")).status_code for _ in range(2)] == [401, 429], "two count still"


async def test_nobody_shuts_out_anothers_client_or_address(provider: Provider) -> None:
    for _ in range(4):
        await ask(provider, "wrong")
    assert (await ask(provider)).status_code == 429
    assert (await ask(provider, address="198.51.100.2")).status_code == 200
    assert (await ask(provider, by="2")).status_code == 200


async def test_whoever_tries_many_clients_waits_with_all_of_them(provider: Provider) -> None:
    for _ in range(5):
        assert (await ask(provider, by=str(uuid4()))).status_code == 401
    assert (await ask(provider, by=str(uuid4()))).status_code == 429
    assert (await ask(provider)).status_code == 429
    # One network of IPv6 is one address.
    for number in range(5):
        assert (await ask(provider, by=str(uuid4()), address=f"2001:db8:1:2::{number}")).status_code == 401
    assert (await ask(provider, by=str(uuid4()), address="2001:db8:1:2:ffff::1")).status_code == 429


async def test_a_client_that_never_keeps_a_token_waits_from_wherever_it_asks(provider: Provider) -> None:
    for number in range(6):
        assert (await ask(provider, address=f"198.51.100.{number}")).status_code == 200
    answer = await ask(provider, address="198.51.100.77")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "600")
    assert (await ask(provider, by="2")).status_code == 200


async def test_of_many_wrong_secrets_at_once_no_more_are_looked_at_than_one_after_the_other(
    provider: Provider,
) -> None:
    answers = await asyncio.gather(*(ask(provider, "wrong") for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [401] * 3 + [429] * 17


async def test_requests_are_kept_as_digests_and_only_as_long_as_they_count(provider: Provider) -> None:
    await ask(provider, "wrong")
    (row,) = await provider.journal.rows("SELECT * FROM oneroster_token_requests")
    assert "198.51.100.1" not in str(row)
    assert provider.secrets["1"].partition(".")[0] not in str(row)
    for _ in range(20):
        await ask(provider, "wrong")
    assert len(await provider.journal.rows("SELECT * FROM oneroster_token_requests")) == 3
    provider.journal.clock.advance(timedelta(seconds=600))
    await ask(provider)
    assert [row["known"] for row in await provider.journal.rows("SELECT * FROM oneroster_token_requests")] == [True]
