"""What every test may ask for: databases, brokers, a mail server. What was left out is said at the end."""

from collections import Counter
from collections.abc import AsyncIterator, Generator

import pytest

from sutki.stack.errors import Unavailable
from sutki.stack.kafka import KafkaCluster
from sutki.stack.mail import MailSink
from sutki.stack.postgres import EmbeddedPostgres
from tests.support import folders
from tests.support.databases import ServiceDatabases, Templates
from tests.support.machine import IN_CI, leave_out


@pytest.fixture(scope="session")
async def postgres() -> AsyncIterator[EmbeddedPostgres]:
    """A PostgreSQL server of this run, not waiting for the disk."""
    folder = folders.make("postgres")
    try:
        async with EmbeddedPostgres(folder, fast=True) as server:
            yield server
    finally:
        folders.remove(folder)


@pytest.fixture(scope="session")
def templates(postgres: EmbeddedPostgres) -> Templates:
    """The migrated databases from which each test's own are cloned."""
    return Templates(postgres)


@pytest.fixture
async def service_database(templates: Templates) -> AsyncIterator[ServiceDatabases]:
    """`await service_database("gradebook")`: this test's own migrated database, as the service sees it."""
    databases = ServiceDatabases(templates)
    yield databases
    await databases.close()


async def _cluster(brokers: int) -> AsyncIterator[KafkaCluster]:
    folder = folders.make(f"kafka{brokers}")
    try:
        cluster = KafkaCluster(folder, brokers=brokers, quick=True)
    except Unavailable as unavailable:
        folders.remove(folder)
        leave_out(unavailable.reason)
    try:
        await cluster.start()
        yield cluster
    finally:
        cluster.kill()
        folders.remove(folder)


@pytest.fixture(scope="session")
async def kafka_broker() -> AsyncIterator[KafkaCluster]:
    """One Apache Kafka broker of this run; no test may take it down, since all share it."""
    async for cluster in _cluster(1):
        yield cluster
        broker = cluster.broker(0)
        assert broker.alive, f"the shared broker ended with {broker.exit_code} during the run. {broker.log_tail()}"


@pytest.fixture(scope="session")
def kafka(kafka_broker: KafkaCluster) -> str:
    """Where that broker listens. Tests share it: use a `kafka_topic_prefix` of your own."""
    return kafka_broker.bootstrap


@pytest.fixture(scope="module")
async def kafka3() -> AsyncIterator[KafkaCluster]:
    """Three brokers that a module may kill, freeze and restart."""
    async for cluster in _cluster(3):
        yield cluster


@pytest.fixture(scope="session")
async def mail_server() -> AsyncIterator[MailSink]:
    """The SMTP server of this run."""
    folder = folders.make("mail")
    try:
        async with MailSink(folder) as sink:
            yield sink
    finally:
        folders.remove(folder)


@pytest.fixture
async def mail_sink(mail_server: MailSink) -> MailSink:
    """A real SMTP server without mails, which accepts everything until it is told otherwise (`behave`)."""
    await mail_server.start()
    await mail_server.clear()
    return mail_server


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where nothing may be left out, a skipped test is a failed one."""
    report = yield
    # Half a surrogate pair in a log, as hostile input brings it, cannot be sent to the process that reports.
    report.sections = [(title, text.encode(errors="backslashreplace").decode()) for title, text in report.sections]
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"nothing may be left out here, and this test was: {_reason(report)}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says what was left out and why."""
    reasons = Counter(_reason(report) for report in terminalreporter.getreports("skipped"))
    if reasons:
        terminalreporter.section("left out on this machine")
        for reason, count in reasons.most_common():
            terminalreporter.write_line(f"{count} test{'s' if count > 1 else ''}: {reason}")


def _reason(report: "pytest.TestReport | pytest.CollectReport") -> str:
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    return str(report.longrepr)
