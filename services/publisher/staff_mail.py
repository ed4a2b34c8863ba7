"""Sends the ladder's messages by mail to the addresses of roles.

As with mails to families, a claim is committed before the conversation begins, and what a crash leaves between claim
and settlement is undecided: it is listed with its escalation and not sent again by itself. The log of escalations,
which the desks read, does not depend on it.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from random import Random
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from chassis.clock import Clock
from chassis.crash import crash_here
from chassis.database import DISTRICT, Database
from chassis.errors import is_transient
from chassis.logging import log
from chassis.timers import DueLoop
from services.publisher import metrics
from services.publisher.domain.escalation import DEFAULT_PRINTER
from services.publisher.domain.letters import Backoff
from services.publisher.domain.preferences import zone_of
from services.publisher.domain.states import NotificationState
from services.publisher.mail.compose import Letterhead, Mail, UnusableAddress, recipient_address
from services.publisher.mail.smtp import MailConnection, Server, Verdict
from services.publisher.queries import escalation, staff_messages
from services.publisher.queries.escalation import Escalated, Escalation
from services.publisher.queries.staff_messages import School, StaffMessage

LINES = 200
"""What one mail lists; the desk shows everything."""
CLAIM_BATCH = 5

_STEPS = {
    "school": ("ещё не выдано семьям", "not yet with the families"),
    "head": ("24 часа скоро истекут", "the 24 hours are running out"),
    "district": ("24 часа почти истекли", "the 24 hours are almost over"),
    "overdue": ("ПРОСРОЧЕНО", "OVERDUE"),
}
_WAITS = {
    "print_queue": "в очереди печати / in the print queue",
    "not_asked": "печать ещё не заказана / not asked for yet",
    "screen": "ждёт кабинета / waits for the cabinet",
    "with_representative": "ученику вместе с родителем / to the student with a parent",
}


@dataclass
class StaffMail:
    """The loop that mails to staff, of one process."""

    database: Database
    clock: Clock
    server: Server
    letterhead: Letterhead
    backoff: Backoff
    max_attempts: int = 12
    claim_timeout: timedelta = timedelta(minutes=10)
    random: Random = field(default_factory=Random)
    sender_id: UUID = field(default_factory=uuid4)
    _connection: MailConnection | None = None
    _unsettled: list[tuple[StaffMessage, Verdict]] = field(default_factory=list)
    """What could not be written down yet."""

    def loops(self) -> list[DueLoop]:
        """To be run by the service."""
        return [
            DueLoop("staff-mail", self.send_due, self._next, idle_seconds=5),
            DueLoop("staff-mail-abandoned", self.list_abandoned, _never, idle_seconds=60),
        ]

    async def _next(self) -> float | None:
        async with self.database.transaction(DISTRICT) as conn:
            return await staff_messages.seconds_to_next(conn, await self.clock.now(conn))

    async def list_abandoned(self) -> int:
        """Lists mails whose sender was lost; returns 0, since nothing is left to do at once."""
        async with self.database.transaction(DISTRICT) as conn:
            count = await staff_messages.abandoned(conn, await self.clock.now(conn), self.claim_timeout)
        if count:
            metrics.STAFF_MESSAGES.labels(NotificationState.UNDECIDED.value).inc(count)
            log.error("staff_messages_undecided", messages=count)
        return 0

    async def send_due(self) -> int:
        """Sends a few mails; returns how many were claimed.

        Raises:
            OSError: the mail server cannot be reached; nothing was claimed.
            Exception: the database is away. What became of claimed mails is kept, and written down by the next call.
        """
        await self._settle_kept()
        connection = self._connection = self._connection or MailConnection(self.server)
        async with self.database.transaction(DISTRICT) as conn:
            if await staff_messages.seconds_to_next(conn, await self.clock.now(conn)) is None:
                return 0
        await connection.ensure()
        async with self.database.transaction(DISTRICT) as conn:
            claimed = await staff_messages.claim(conn, self.sender_id, await self.clock.now(conn), CLAIM_BATCH)
        crash_here("publisher.after_staff_claim_before_send")
        for message in claimed:
            self._unsettled.append((message, await self._send(message, connection)))
            try:
                await self._settle_kept()
            except Exception as error:  # noqa: BLE001 - the others were claimed too, and need their own outcome
                log.warning("staff_message_not_settled", error=type(error).__name__)
        await self._settle_kept()
        return len(claimed)

    async def _send(self, message: StaffMessage, connection: MailConnection) -> Verdict:
        """Whatever goes wrong with one is its own outcome, so that the others keep theirs."""
        try:
            prepared = await self._prepare(message)
        except Exception as error:  # noqa: BLE001 - nothing was handed over: it may be tried again
            log.warning("staff_mail_not_prepared", message_id=str(message.message_id), error=type(error).__name__)
            return Verdict(NotificationState.RETRY, "not_prepared")
        if isinstance(prepared, Verdict):
            return prepared
        try:
            return await connection.send(prepared)
        except Exception as error:  # noqa: BLE001 - nobody knows how far the conversation came
            log.error("staff_mail_conversation_broke", message_id=str(message.message_id), error=type(error).__name__)
            connection.close()
            return Verdict(NotificationState.UNDECIDED, "conversation_broke")

    async def _prepare(self, message: StaffMessage) -> Mail | Verdict:
        async with self.database.transaction(DISTRICT) as conn:
            raised = await escalation.one(conn, message.escalation_id)
            items = await escalation.items(conn, message.escalation_id, after=None, limit=LINES)
            school = await staff_messages.school(conn, message.school_id)
        if raised is None:
            return Verdict(NotificationState.CANCELLED, "nothing_left_to_tell")
        try:
            return compose(message, raised, items, self.letterhead, school=school)
        except UnusableAddress:
            return Verdict(NotificationState.FAILED, "unusable_address")

    async def _settle_kept(self) -> None:
        """Writes down what became of mails. What can never be written down is given up: its claim is abandoned."""
        while self._unsettled:
            try:
                await self._settle(*self._unsettled[0])
            except Exception as error:
                if not is_transient(error):
                    del self._unsettled[0]
                raise
            del self._unsettled[0]

    async def _settle(self, message: StaffMessage, verdict: Verdict) -> None:
        state, reason, wait = verdict.state, verdict.reason, None
        if state is NotificationState.RETRY and message.attempts >= self.max_attempts:
            state, reason = NotificationState.FAILED, f"too_many_attempts: {reason}"
        if state is NotificationState.RETRY:
            wait = timedelta(seconds=self.backoff.delay_seconds(message.attempts, self.random.random()))
        async with self.database.transaction(DISTRICT) as conn:
            now = await self.clock.now(conn)
            await staff_messages.settle(
                conn,
                self.sender_id,
                message.message_id,
                state,
                reason=reason,
                send_after=None if wait is None else now + wait,
                now=now,
            )
            crash_here("publisher.after_staff_settlement_before_commit")
        metrics.STAFF_MESSAGES.labels(state.value).inc()


async def _never() -> float | None:
    return None


def compose(
    message: StaffMessage, raised: Escalation, items: list[Escalated], head: Letterhead, *, school: School
) -> Mail:
    """Writes the mail: Russian, then English; ids only, no name of a child or parent.

    Raises:
        UnusableAddress: the address is none.
    """
    russian, english = _STEPS[raised.step]
    name = school.name or str(raised.school_id)
    written = EmailMessage(policy=SMTP)
    written["From"] = Address(head.sender_name, addr_spec=head.sender)
    written["To"] = recipient_address(message.address)
    written["Subject"] = f"24 часа: {russian}, {raised.obligations} ({name})"
    written["Date"] = format_datetime(raised.raised_at)
    written["Message-ID"] = f"<{message.message_id}@{head.sender.rpartition('@')[2]}>"
    written["Auto-Submitted"] = "auto-generated"
    written.set_content(
        "\n".join(_lines(raised, items, name, (russian, english), zone_of(school.time_zone))), cte="base64"
    )
    return Mail(head.sender, message.address, written.as_bytes())


def _lines(raised: Escalation, items: list[Escalated], name: str, said: tuple[str, str], zone: ZoneInfo) -> list[str]:
    printer = raised.printer or DEFAULT_PRINTER
    lines = [
        f"{name}: {said[0]}: {raised.obligations}. Первый срок: {_local(raised.first_due_at, zone)}.",
        f"{name}: {said[1]}: {raised.obligations}. First deadline: {_local(raised.first_due_at, zone)}.",
        "",
        f"Печать / printing: {printer}",
    ]
    if raised.held:
        lines.append(
            f"Задержано до совета, в срок откроется само / held for the council, released by the clock: {raised.held}"
        )
    if raised.late_at_source:
        lines.append(f"Опоздало уже при внесении / late when it was recorded: {raised.late_at_source}")
    lines.append("")
    lines += [_line(one, zone) for one in items]
    if raised.obligations > len(items):
        lines.append(f"… {raised.obligations - len(items)}: /v1/escalations/{raised.escalation_id}")
    return [*lines, ""]


def _line(one: Escalated, zone: ZoneInfo) -> str:
    marks = [name for name, there in (("held", one.held), ("late at source", one.late_at_source)) if there]
    request = f", {one.request_id}" if one.request_id else ""
    return (
        f"- {one.student_id} → {one.recipient_id}: {_WAITS[one.waits]}{request}; "
        f"с / since {_local(one.waiting_since, zone)}, до / until {_local(one.due_at, zone)}"
        + (f" [{', '.join(marks)}]" if marks else "")
    )


def _local(instant: datetime, zone: ZoneInfo) -> str:
    return instant.astimezone(zone).strftime("%d.%m.%Y %H:%M")
