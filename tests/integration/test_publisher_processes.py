"""Several processes at once, processes that die between two effects, and plans that keep to their indexes."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY

from chassis.database import DISTRICT, Connection
from services.publisher import acknowledging, handlers, ledger, loops, proving, reconciling, sending
from services.publisher.mail import sender as mail_sender
from services.publisher.queries import board, obligations, people
from services.publisher.queries.planning import prefer_indexes
from tests.integration.publisher_district import HOUR, SECOND, START, District
from tests.support.databases import ServiceDatabases
from tests.support.waiting import eventually

MINUTE = 60 * SECOND


class Died(BaseException):
    """Stands for the end of the process: nothing after it runs, and no handler of ordinary errors sees it."""


@pytest.fixture
async def district(service_database: ServiceDatabases) -> District:
    return District(await service_database("publisher"))


@pytest.fixture
def die_at(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Crash points at which the process dies."""
    armed: set[str] = set()

    def crash(point: str) -> None:
        if point in armed:
            raise Died(point)

    for module in (acknowledging, handlers, ledger, loops, reconciling, sending, mail_sender):
        monkeypatch.setattr(module, "crash_here", crash)
    return armed


def another(district: District) -> District:
    """A second process on the same database."""
    other = District(district.database, district.policy)
    other.school_id = district.school_id
    other.clock.at = district.now
    return other


async def test_events_about_one_student_taken_by_several_processes_at_once_come_out_right(district):
    await district.hear()
    await district.tell(district.school())
    processes = [another(district) for _ in range(4)]
    for _ in range(15):
        family, result = district.family(), uuid4()
        events = [
            family.person(),
            family.account(family.mother),
            family.consent(family.mother),
            family.grade(result),
        ]
        visible = family.visible(result, family.mother, at=START + SECOND)
        await asyncio.gather(*(one.tell(event) for one, event in zip(processes, events, strict=True)))
        await district.tell(visible)
        assert await district.states(result) == {
            family.mother: ("screen", "available"),
            family.father: ("paper", "open"),
            family.student: ("with_representative", "available"),
        }


async def overlapping(
    district: District, first: Callable[[Connection], Awaitable[None]], second: Coroutine[Any, Any, None]
) -> None:
    """Two processes at once, the worst way: the second runs as far as it can before the first commits."""

    async def second_waits() -> bool:
        waiting = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        return task.done() or bool(await district.query(waiting))

    async with district.database.transaction(DISTRICT) as conn:
        await first(conn)
        task = asyncio.create_task(second)
        await eventually(second_waits, within=30, what="that the second process waits or is done")
    await asyncio.wait_for(task, 30)


@pytest.mark.parametrize("grade_first", [True, False])
async def test_a_grade_and_a_consent_that_do_not_see_each_other_still_come_out_right(district, grade_first):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.account(family.father))
    grade, consent = family.grade(result), family.consent(family.father)

    async def first(conn: Connection) -> None:
        if grade_first:
            await handlers.final_grades_set(conn, [grade], district.now, policy=district.policy)
        else:
            await handlers.consents_changed(conn, [consent], district.now, policy=district.policy)

    await overlapping(district, first, another(district).tell(consent if grade_first else grade))
    assert (await district.states(result))[family.father] == ("screen", "open")


async def test_a_grade_and_its_acknowledgement_that_do_not_see_each_other_still_come_out_right(district):
    family, result = await district.known_family(), uuid4()

    async def first(conn: Connection) -> None:
        await handlers.final_grades_set(conn, [family.grade(result)], district.now, policy=district.policy)

    visible = family.visible(result, family.mother, at=START + SECOND)
    await overlapping(district, first, another(district).tell(visible))
    assert (await district.states(result))[family.mother] == ("screen", "available")


async def test_an_account_that_commits_after_consent_and_person_were_taken_is_not_overlooked(district):
    family, result = district.family(), uuid4()
    await district.tell(family.account(family.father, active=False), family.grade(result))

    async def first(conn: Connection) -> None:
        # Nothing tells yet whom the father represents: there is no student whom this could lock.
        account = family.account(family.father, 2)
        await handlers.accounts_changed(conn, [account], district.now, policy=district.policy)

    async def second() -> None:
        process = another(district)
        await process.tell(family.consent(family.father))
        await process.tell(family.person())

    await overlapping(district, first, second())
    assert (await district.states(result))[family.father] == ("screen", "open")


async def test_a_loop_passes_over_students_on_whom_another_process_works(district):
    family = await district.known_family()
    await district.tell(family.grade(uuid4()))
    await district.advance(HOUR)
    async with district.database.transaction(DISTRICT) as conn:
        await people.lock_students(conn, [family.student])
        assert await asyncio.wait_for(another(district).deadlines.ask_for_paper(), 30) == 0
    assert len(await district.asked_for_paper()) == 1


async def test_parallel_processes_never_fork_the_ledger(district):
    families = [district.family() for _ in range(24)]
    await district.hear()
    await district.tell(
        district.school(),
        *(one.person() for one in families),
        *(one.account(one.mother) for one in families),
        *(one.consent(one.mother) for one in families),
    )
    results = {family: uuid4() for family in map(id, families)}
    await district.tell(*(one.grade(results[id(one)]) for one in families))

    async def show(part: list[Any]) -> None:
        process = another(district)
        for one in part:
            await process.tell(one.visible(results[id(one)], one.mother, at=START + SECOND))

    await asyncio.gather(*(show(families[index::4]) for index in range(4)))
    checked = await proving.verify_database(district.database)
    assert (checked.holds, checked.entries) == (True, 48)


async def test_parallel_loops_ask_for_each_sheet_once_and_notice_each_miss_once(district):
    for _ in range(8):
        family = await district.known_family()
        await district.tell(family.grade(uuid4()))
    await district.advance(25 * HOUR)
    processes = [another(district) for _ in range(4)]
    asked = await asyncio.gather(*(one.deadlines.ask_for_paper() for one in processes))
    missed = await asyncio.gather(*(one.deadlines.notice_overdue() for one in processes))
    assert (sum(asked) + await district.deadlines.ask_for_paper(), sum(missed)) == (8, 24)
    assert len(await district.query("SELECT FROM extract_requests")) == 8


@pytest.mark.parametrize("point", ["publisher.after_obligations_before_commit", "publisher.after_ledger_before_commit"])
async def test_a_death_before_the_commit_leaves_nothing_and_the_redelivered_batch_everything(district, die_at, point):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.grade(result))
    visible = family.visible(result, family.mother, at=START + SECOND)
    die_at.add(point)
    with pytest.raises(Died):
        await district.tell(visible)
    assert (await district.states(result))[family.mother] == ("screen", "open")
    assert await district.ledger() == []
    die_at.clear()
    await district.tell(visible)
    assert (await district.states(result))[family.mother] == ("screen", "available")
    assert (await proving.verify_database(district.database)).holds


async def test_a_death_while_asking_for_paper_leaves_nothing_half_asked(district, die_at):
    family = await district.known_family()
    await district.tell(family.grade(uuid4()))
    await district.advance(HOUR)
    die_at.add("publisher.after_request_before_commit")
    with pytest.raises(Died):
        await district.deadlines.ask_for_paper()
    assert await district.query("SELECT FROM outbox WHERE type LIKE 'publisher.%'") == []
    die_at.clear()
    assert len(await district.asked_for_paper()) == 1


@pytest.mark.parametrize(
    ("point", "arrived"),
    [
        ("publisher.after_claim_before_send", 0),
        ("publisher.after_smtp_accepted", 1),
        ("publisher.after_settlement_before_commit", 1),
    ],
)
async def test_a_sender_that_dies_leaves_its_mail_undecided_and_it_is_sent_at_most_once(
    district, die_at, point, arrived
):
    from aiosmtpd.controller import Controller  # noqa: PLC0415 - used by this test alone

    from services.publisher.mail.smtp import MailConnection, Server  # noqa: PLC0415
    from sutki.stack.ports import free_port  # noqa: PLC0415
    from tests.integration.publisher_mail import Sink, a_sender, send_all  # noqa: PLC0415

    sink = Sink()
    controller = Controller(sink, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        server = Server("127.0.0.1", controller.port, timeout_seconds=5)
        family = await district.known_family(email="mother@example.org")
        result = uuid4()
        await district.tell(family.grade(result))
        await district.tell(family.visible(result, family.mother, at=START + SECOND))
        await district.advance(11 * MINUTE)
        die_at.add(point)
        with pytest.raises(Died):
            await a_sender(district, server).send_due(MailConnection(server))
        die_at.clear()
        await district.advance(timedelta(minutes=5))
        survivor = a_sender(district, server)
        assert await survivor.list_abandoned() == 1
        assert await send_all(survivor) == 0
        assert len(sink.mails) == arrived
        (row,) = await district.query("SELECT state FROM notifications")
        assert row["state"] == "undecided"
    finally:
        controller.stop()


async def a_long_history(district: District, service_database: ServiceDatabases) -> None:
    """A few obligations that are open, and sixty thousand that were met long ago; nothing is analysed yet."""
    family = await district.known_family(email="mother@example.org")
    await district.tell(*(family.grade(uuid4()) for _ in range(20)))
    async with service_database.as_superuser("publisher") as conn:
        await conn.execute(
            """
            INSERT INTO obligations SELECT gen_random_uuid(), 1, recipient_id, gen_random_uuid(), gen_random_uuid(),
                school_id, obtained_at, recorded_at, opened_at, due_at, route, moved_reason, 'available', ask_paper_at,
                fall_back_at, request_id, due_at, 'no', NULL, NULL, NULL, NULL, NULL, NULL
            FROM obligations, generate_series(1, 1000)
            """
        )


async def plan_of(district: District, query: str, *values: Any) -> str:
    async with district.database.transaction(DISTRICT) as conn:
        await prefer_indexes(conn)
        return "\n".join(row[0] for row in await conn.fetch(f"EXPLAIN {query}", *values))


async def test_the_timers_read_their_own_indexes_however_long_the_history_is(
    district, service_database: ServiceDatabases
):
    await a_long_history(district, service_database)
    async with service_database.as_superuser("publisher") as conn:
        await conn.execute("ANALYZE obligations")
    for query, index, values in (
        (obligations._ASK_PAPER_CANDIDATES, "obligations_to_ask_paper", (START, 500)),
        (obligations._NEXT_ASK, "obligations_to_ask_paper", (START,)),
        (obligations._FALL_BACK, "obligations_to_fall_back", (START, 500, "not_acknowledged")),
        (obligations._NEXT_FALL_BACK, "obligations_to_fall_back", (START,)),
        (obligations._NOTICE_OVERDUE, "obligations_to_be_overdue", (START, START, 500)),
        (obligations._NEXT_OVERDUE, "obligations_to_be_overdue", (START,)),
        (obligations._LOCK_OPEN_OF_STUDENTS, "obligations_of_student", ([uuid4()],)),
        (board._BOARD, "obligations_board", (district.school_id, "open", None, None, None, None, 100)),
        (board._OPEN_BY_ROUTE, "using obligations_", ()),
    ):
        plan = await plan_of(district, query, *values)
        assert index in plan, plan
        assert "Seq Scan on obligations" not in plan, plan


@pytest.mark.parametrize("analysed", [False, True])
async def test_messages_are_counted_by_indexes_however_many_were_sent(
    district, service_database: ServiceDatabases, analysed
):
    await district.known_family()
    states = {"queued": 3, "retry": 4, "claimed": 5, "undecided": 6, "failed": 200, "cancelled": 7, "sent": 30_000}
    async with service_database.as_superuser("publisher") as conn:
        for state, number in states.items():
            await conn.execute(
                "INSERT INTO notifications (notification_id, school_id, student_id, recipient_id, channel, state,"
                " result_ids, value_revisions, queued_at, send_after, claimed_at, settled_at) SELECT gen_random_uuid(),"
                " gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'email', $1, '{}', '{}', $2, $2, $2, $2"
                " FROM generate_series(1, $3::int)",
                state,
                START,
                number,
            )
        if analysed:
            await conn.execute("ANALYZE notifications")
    plan = await plan_of(district, board._MESSAGES)
    assert "Seq Scan" not in plan, plan
    for index in ("notifications_due", "notifications_claimed", "notifications_listed"):
        assert index in plan, plan
    async with district.database.transaction(DISTRICT) as conn:
        counted = await board.messages_by_state(conn)
    unsettled = ("queued", "retry", "claimed", "undecided", "failed")
    assert counted == {("email", state): states[state] for state in unsettled}


@pytest.mark.parametrize("analysed", [False, True])
async def test_a_batch_looks_its_obligations_up_by_their_key(district, service_database: ServiceDatabases, analysed):
    await a_long_history(district, service_database)
    if analysed:
        async with service_database.as_superuser("publisher") as conn:
            await conn.execute("ANALYZE obligations")
    many = 1000
    ids, numbers, instants = [uuid4() for _ in range(many)], [1] * many, [START] * many
    nothing = [None] * many
    for query, values in (
        (obligations._LOCK_OPEN_OF_VERSIONS, (ids, numbers)),
        (obligations._ASSIGN_REQUEST, (ids, numbers, ids, ids)),
        (obligations._CHANGE_ROUTES, (ids, numbers, ids, ["paper"] * many, instants, nothing)),
        (obligations._CLOSE, (ids, numbers, ids, "cancelled", START)),
        (
            obligations._MEET,
            (ids, numbers, ids, ["paper"] * many, instants, ["no"] * many, nothing, nothing, nothing),
        ),
    ):
        plan = await plan_of(district, query, *values)
        assert "obligations_pkey" in plan, plan
        assert "Index Cond: ((result_id = v.result_id)" in plan, plan


async def test_the_gauges_show_what_is_owed_and_for_how_long(district):
    family = await district.known_family()
    await district.tell(family.grade(uuid4()))
    await district.advance(25 * HOUR)
    await district.deadlines.notice_overdue()
    assert await district.deadlines.measure() == 0
    assert REGISTRY.get_sample_value("sutki_publisher_open_obligations", {"route": "paper"}) == 1
    assert REGISTRY.get_sample_value("sutki_publisher_overdue_obligations") == 3
    assert REGISTRY.get_sample_value("sutki_publisher_oldest_unmet_age_seconds") == 25 * 3600


async def test_the_time_to_available_has_a_bucket_of_exactly_24_hours(district):
    def in_time() -> float:
        name = "sutki_publisher_time_to_available_seconds_bucket"
        return REGISTRY.get_sample_value(name, {"route": "screen", "le": "86400.0"}) or 0.0

    before = in_time()
    family, just, late = await district.known_family(), uuid4(), uuid4()
    await district.tell(family.grade(just), family.grade(late))
    await district.tell(family.visible(just, family.mother, at=START + 24 * HOUR))
    await district.tell(family.visible(late, family.mother, at=START + 24 * HOUR + SECOND))
    assert in_time() == before + 1
