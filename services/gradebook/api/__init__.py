"""The HTTP API: journals send records in bulk or as files, release and withdraw final grades, and read all back."""

from typing import Annotated

from fastapi import APIRouter, Depends

from chassis.auth import Client
from chassis.clock import Clock
from chassis.database import Database
from services.gradebook.api.bulk import BULK, add_bulk
from services.gradebook.api.callers import JournalAuth
from services.gradebook.api.changes import add_changes
from services.gradebook.api.clashes import add_clashes
from services.gradebook.api.closing import add_closing
from services.gradebook.api.describing import ALWAYS, operation_id
from services.gradebook.api.facts import add_facts
from services.gradebook.api.forecasts import add_forecasts
from services.gradebook.api.groups import add_groups
from services.gradebook.api.ids import add_ids
from services.gradebook.api.imports import add_imports
from services.gradebook.api.policies import add_policies
from services.gradebook.api.results import add_results
from services.gradebook.api.singles import add_singles
from services.gradebook.api.statistics import add_statistics
from services.gradebook.settings import Settings

__all__ = ["BULK", "make_router"]


def make_router(database: Database, clock: Clock, settings: Settings) -> APIRouter:
    """All endpoints."""
    router = APIRouter(prefix="/v1", tags=["gradebook"], responses=ALWAYS, generate_unique_id_function=operation_id)
    caller = Annotated[Client, Depends(JournalAuth(database))]
    add_bulk(router, database, clock, settings, caller)
    add_changes(router, database, clock, settings, caller)
    add_singles(router, database, clock, caller)
    add_clashes(router, database, clock, caller)
    add_results(router, database, clock, caller)
    add_closing(router, database, clock, caller)
    add_statistics(router, database, caller)
    add_ids(router, database, caller)
    add_facts(router, database, caller)
    add_groups(router, database, clock, caller)
    add_forecasts(router, database, caller)
    add_policies(router, database, clock, caller)
    add_imports(router, database, clock, settings, caller)
    return router
