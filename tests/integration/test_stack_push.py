"""The push service as a process: whoever has its certificate may send, and it tells what arrived."""

import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from services.publisher.push.client import PushClient, encrypt
from services.publisher.push.endpoints import BrowserKeys, PushHosts
from services.publisher.push.vapid import VapidKey, VapidTokens
from sutki.stack.mail import PROJECT
from sutki.stack.ports import free_port
from sutki.stack.processes import Process


@pytest.fixture
async def sink(tmp_path: Path) -> AsyncIterator[tuple[str, str]]:
    """Where it takes messages, and where it is asked."""
    port, http_port = free_port(), free_port()
    address = f"http://127.0.0.1:{http_port}"
    process = Process(
        "the push sink",
        [
            *(sys.executable, "-m", "sutki.stack.push_sink", "--port", str(port)),
            *("--http-port", str(http_port), "--folder", tmp_path),
        ],
        tmp_path / "push-sink.log",
        health=f"{address}/health/ready",
        cwd=PROJECT,
    )
    process.start()
    try:
        await process.wait_ready(30)
        yield f"localhost:{port}", address
    finally:
        await process.terminate(grace_seconds=5)


async def test_the_process_makes_browsers_takes_messages_and_misbehaves_when_told(sink, tmp_path):
    host, address = sink
    hosts, tokens = PushHosts.listed("", host), VapidTokens(VapidKey.generate(), "mailto:diary@example.org")
    client = PushClient(hosts, ca_file=tmp_path / "push-certificate.pem")
    async with httpx.AsyncClient(base_url=address, trust_env=False) as asked:
        subscription = (await asked.post("/browsers", json={"server_key": tokens.public})).json()
        endpoint = hosts.endpoint(subscription["endpoint"])
        body = encrypt(b'{"title": "x"}', endpoint, BrowserKeys.read(subscription["p256dh"], subscription["auth"]))
        headers = {"TTL": "60", "Content-Encoding": "aes128gcm"}
        headers["Authorization"] = tokens.authorization(endpoint.origin, datetime.now(UTC))
        assert (await asked.put("/behaviour", json={"once": [{"status": 503}]})).status_code == 204
        statuses = [(await client.post(endpoint, body, headers)).status for _ in range(2)]
        told = (await asked.get("/messages")).json()
    await client.close()
    assert statuses == [503, 201]
    assert [one["payload"] for one in told["messages"]] == [{"title": "x"}]
