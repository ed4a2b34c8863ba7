"""Settings of the extracts service."""

import os
from typing import ClassVar

from pydantic import Field

from chassis.settings import ServiceSettings
from contracts.values import Language


class Settings(ServiceSettings):
    """`SUTKI_EXTRACTS_<FIELD>` wins over `SUTKI_<FIELD>`."""

    SERVICE: ClassVar[str] = "extracts"

    http_port: int = Field(default=8104, ge=1, le=65535)
    sheet_language: Language = Language.RU
    """Language of everything on a sheet but names and titles."""
    render_threads: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1, le=64)
    """Sheets set at the same time; as many as there are cores."""
    render_batch_sheets: int = Field(default=32, ge=1, le=500)
    """Sheets rendered in one transaction, which keeps their rows locked."""
    render_retry_base_seconds: float = Field(default=5, gt=0)
    """First pause after a sheet could not be rendered; doubled with every failure."""
    render_retry_most_seconds: float = Field(default=3600, gt=0)
    """The longest such pause."""
    print_run_minutes: float = Field(default=30, gt=0)
    """How long a print run keeps its sheets from other runs until it is confirmed."""
    print_run_sheets: int = Field(default=200, ge=1, le=2000)
    """Sheets in one print run at the most."""
    sheet_keep_days: float = Field(default=30, ge=1)
    """A sheet's PDF and text are deleted this long after it was printed or handed over; the register stays."""
    measure_seconds: float = Field(default=10, gt=0)
    """How often queue lengths and ages are measured."""
