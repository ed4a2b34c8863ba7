"""The embedded PostgreSQL: what was committed survives a power cut, and roles see what is theirs."""

import os
import shutil
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from sutki.stack.errors import StackError
from sutki.stack.postgres import SERVICES, EmbeddedPostgres
from tests.support import folders
from tests.support.waiting import eventually


@pytest.fixture
def folder() -> Iterator[Path]:
    made = folders.make("pg")
    yield made
    folders.remove(made)


@pytest.fixture
async def durable(folder: Path) -> AsyncIterator[EmbeddedPostgres]:
    async with EmbeddedPostgres(folder) as server:
        yield server
        server.kill()


async def _run(url: str, *statements: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements[:-1]:
            await connection.execute(statement)
        return await connection.fetchval(statements[-1])
    finally:
        await connection.close()


async def test_what_was_committed_survives_a_power_cut(durable: EmbeddedPostgres) -> None:
    url = durable.superuser_url()
    await _run(url, "CREATE TABLE t (n int)", "INSERT INTO t SELECT generate_series(1, 1000) RETURNING n")
    durable.kill()
    assert not durable.alive
    await durable.start()
    assert await _run(url, "SELECT count(*) FROM t") == 1000


async def test_a_server_whose_first_process_alone_was_killed_starts_again_on_its_data(
    durable: EmbeddedPostgres,
) -> None:
    await _run(durable.superuser_url(), "CREATE TABLE t ()", "SELECT 1")
    os.kill(durable.process.pid, signal.SIGKILL)
    await eventually(lambda: not durable.alive, within=10)
    await durable.start()
    assert await _run(durable.superuser_url(), "SELECT count(*) FROM t") == 0


async def test_a_frozen_server_answers_again_when_it_is_thawed(durable: EmbeddedPostgres) -> None:
    durable.process.freeze()
    with pytest.raises(TimeoutError):
        await asyncpg.connect(durable.superuser_url(), timeout=0.5)
    durable.process.thaw()
    assert await _run(durable.superuser_url(), "SELECT 1") == 1


async def test_a_half_made_data_folder_is_never_taken_for_data(folder: Path) -> None:
    unfinished = EmbeddedPostgres(folder, fast=True).data_dir.with_name("data.unfinished")
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n", encoding="ascii")
    async with EmbeddedPostgres(folder, fast=True) as server:
        assert await _run(server.superuser_url(), "SELECT 1") == 1
    assert not unfinished.exists()


async def test_what_cannot_start_says_why(folder: Path) -> None:
    server = EmbeddedPostgres(folder, fast=True, settings={"shared_buffers": "much"})
    with pytest.raises(StackError, match="invalid value for parameter"):
        await server.start(20)
    assert not server.alive


async def test_preparing_twice_changes_nothing(durable: EmbeddedPostgres) -> None:
    await durable.prepare()
    before = await _run(durable.superuser_url(), _ALL_RIGHTS)
    await durable.prepare()
    assert await _run(durable.superuser_url(), _ALL_RIGHTS) == before
    assert await _run(durable.superuser_url(), "SELECT count(*) FROM pg_database WHERE datname LIKE 'sutki%'") == 5


_ALL_RIGHTS = """
SELECT (SELECT array_agg(format('%s %s', datname, datacl) ORDER BY datname) FROM pg_database)
    || (SELECT array_agg(format('%s %s', rolname, rolcanlogin) ORDER BY rolname) FROM pg_roles)
    || (SELECT array_agg(format('%s %s %s', roleid::regrole, member::regrole, inherit_option) ORDER BY 1)
        FROM pg_auth_members)
"""


async def test_a_service_sees_its_own_database_only_and_owns_nothing_in_it(postgres: EmbeddedPostgres) -> None:
    await postgres.prepare()
    for service in SERVICES:
        for other in set(SERVICES) - {service}:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await _run(postgres.url(service, database=f"sutki_{other}"), "SELECT 1")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await _run(postgres.url(service), "CREATE TABLE mine ()", "SELECT 1")
    rights = (
        "SELECT bool_or(rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb) FROM pg_roles"
        " WHERE rolname ~ $$^sutki$$"
    )
    assert await _run(postgres.superuser_url(), rights) is False


async def test_the_cabinet_may_become_its_reader_and_nobody_else_may(postgres: EmbeddedPostgres) -> None:
    await postgres.prepare()
    become = "SET ROLE sutki_cabinet_reader"
    assert await _run(postgres.url("cabinet"), become, "SELECT current_user") == "sutki_cabinet_reader"
    for service in set(SERVICES) - {"cabinet"}:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await _run(postgres.url(service), become, "SELECT 1")
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        await asyncpg.connect(postgres.superuser_url(), user="sutki_cabinet_reader")


async def test_over_the_loopback_address_a_password_is_asked_for(folder: Path) -> None:
    async with EmbeddedPostgres(folder, fast=True, tcp=True) as server:
        await server.prepare(["consent"])
        assert await _run(server.tcp_url("consent"), "SELECT current_user") == "sutki_consent"
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(host="127.0.0.1", port=server.port, user="sutki_consent", password="guessed")


async def test_nobody_but_the_owner_and_root_reaches_the_socket_or_the_data(postgres: EmbeddedPostgres) -> None:
    assert postgres.socket_dir.stat().st_mode & 0o077 == 0
    assert postgres.data_dir.stat().st_mode & 0o077 == 0


async def test_where_its_own_user_cannot_go_the_data_lie_elsewhere_and_a_note_says_where(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    server = EmbeddedPostgres(closed / "postgres", fast=True)
    note = closed / "postgres" / "data-is-at.txt"
    try:
        async with server:
            assert await _run(server.superuser_url(), "SELECT 1") == 1
        if os.geteuid() == 0:
            assert server.data_dir.is_relative_to(note.read_text(encoding="utf-8").strip())
        else:  # the server runs as ourselves, and our own folder is open to us
            assert server.data_dir.is_relative_to(closed)
        assert EmbeddedPostgres(closed / "postgres", fast=True).data_dir == server.data_dir
        assert closed.stat().st_mode & 0o777 == 0o700, "nobody's folder is opened for us"
    finally:
        shutil.rmtree(server.data_dir.parent)
