"""Importing a file over HTTP."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, File, UploadFile

from chassis.clock import Clock
from chassis.database import Database
from chassis.problems import Fault, Problem
from services.gradebook.api.common import Caller, Source
from services.gradebook.exchange.report import EXIT_NOTHING_DONE
from services.gradebook.importing import import_files
from services.gradebook.settings import Settings

_COPY_BYTES = 1 << 20


def add_imports(router: APIRouter, database: Database, clock: Clock, settings: Settings, caller: Caller) -> None:
    """The endpoint."""

    @router.post(
        "/imports",
        summary="Import a file",
        description=(
            "Takes a ZIP archive of plain CSV or OneRoster files, or one CSV file named after its kind. 200: the "
            "report, also when rows were rejected (`exit_code` 2). 422: nothing could be taken. `dry_run` changes "
            "nothing."
        ),
    )
    async def imports(
        client: caller,
        file: Annotated[UploadFile, File(description="The archive or CSV file.")],
        source: Source = "district",
        dry_run: bool = False,
    ) -> dict[str, Any]:
        async with _stored(file, settings.import_max_upload_bytes) as path:
            report = await import_files(
                database,
                clock,
                path,
                source=source,
                dry_run=dry_run,
                school_id=client.school_id,
                limits=settings.limits(),
            )
        if report.exit_code == EXIT_NOTHING_DONE:
            faults = [Fault(f"#/{r.file}/{r.line or ''}", r.code, r.reason("en")) for r in report.rejections[:100]]
            raise Problem(422, "nothing_imported", "Nothing in the file could be taken.", errors=faults)
        return report.as_json()


@asynccontextmanager
async def _stored(upload: UploadFile, max_bytes: int) -> AsyncIterator[Path]:
    """The upload as a file with its own name, gone afterwards.

    Raises:
        Problem: 413, it is too large.
    """
    with tempfile.TemporaryDirectory(prefix="sutki-import-") as folder:
        # The sender's name decides what a lone CSV file holds, but never where it is written.
        name = Path((upload.filename or "").replace("\\", "/")).name
        path = Path(folder) / (name if name not in ("", ".", "..") and len(name.encode()) < 200 else "upload")
        written = 0
        with path.open("wb") as target:
            while chunk := await upload.read(_COPY_BYTES):
                written += len(chunk)
                if written > max_bytes:
                    raise Problem(413, "file_too_large", f"The file is larger than {max_bytes} bytes.")
                await asyncio.to_thread(target.write, chunk)
        yield path
