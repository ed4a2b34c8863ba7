"""OneRoster's REST binding against its own description: every answer to whatever is sent is one that it tells of."""

import asyncio
from collections import Counter
from dataclasses import replace

import httpx
import pytest

from tests.integration.oneroster_rest_client import GRADEBOOK
from tests.integration.test_gradebook_journal import Journal, district, journal
from tests.integration.test_gradebook_schemathesis import Served, explore, serving
from tests.integration.test_oneroster_rest_access import GRANT

__all__ = ["district", "journal"]

SECONDS = 8
"""How long further examples are sought after every operation had its first ones; whoever seeks longer raises it."""
EXAMPLES = 1
KNOWN = {
    "schoolSourcedId": ["1"],
    "classSourcedId": ["7a", "7a-alg"],
    "courseSourcedId": ["alg", "journal.district"],
    "termSourcedId": ["q1"],
    "studentSourcedId": ["s1", "s2"],
    "teacherSourcedId": ["t1"],
    "userSourcedId": ["s1", "p1", "t1"],
    "sourcedId": ["m1", "1", "g1", "q1", "e1", "alg", "s1", "7a", "answer", "sutki.marks", "mark:m1"],
}


async def with_token(served: Served) -> Served:
    """The same with an access token, and with ids of the district."""
    client_id, _, secret = served.headers["Authorization"].removeprefix("Bearer ").partition(".")
    form = GRANT | {"client_id": client_id, "client_secret": secret}
    async with httpx.AsyncClient(base_url=served.address) as http:
        answer = await http.post("/ims/oneroster/token", data=form)
        headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        items = (await http.get(f"{GRADEBOOK}/lineItems", headers=headers)).json()["lineItems"]
    known = KNOWN | {"lineItemSourcedId": [item["sourcedId"] for item in items]}
    return replace(served, headers=headers, known=known)


@pytest.mark.timeout(180)
async def test_every_answer_is_one_that_the_document_tells_of(district: Journal) -> None:
    async with serving(district) as running:
        served = await with_token(running)
        answers, faults = await asyncio.to_thread(explore, served, SECONDS, EXAMPLES, "^/ims/oneroster/")
        statuses = sum(answers.values(), Counter[int]())
        assert not faults, "\n".join(faults)
    assert len(answers) > 50, answers
    assert statuses[200] > 20, statuses
    assert not {status for status in statuses if status >= 500}
