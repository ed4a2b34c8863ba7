"""Functions that run with their owner's rights: whoever calls them cannot slip in tables or functions of their own."""

from collections.abc import Awaitable, Callable

import pytest

from chassis.database import DISTRICT, Database
from sutki.stack.postgres import SERVICES

_DEFINERS = """
SELECT p.proname, coalesce(array_to_string(p.proconfig, ';'), '') AS settings
FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE p.prosecdef AND n.nspname NOT IN ('pg_catalog', 'information_schema')
"""


@pytest.mark.parametrize("service", SERVICES)
async def test_a_function_with_its_owners_rights_looks_into_temporary_schemas_last(
    service: str, service_database: Callable[[str], Awaitable[Database]]
) -> None:
    database = await service_database(service)
    async with database.transaction(DISTRICT) as conn:
        settings = {row["proname"]: row["settings"] for row in await conn.fetch(_DEFINERS)}
    assert set(settings.values()) <= {"search_path=public, pg_temp"}, settings
    assert settings or service != "extracts", "there is one"
