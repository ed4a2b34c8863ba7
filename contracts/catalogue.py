"""Every event there is, with its example: what topics exist follows from here."""

from types import ModuleType

from contracts import (
    account_changed,
    attendance_recorded,
    consent_changed,
    consent_heartbeat,
    control_work_changed,
    data_erased,
    disclosure_overdue,
    erasure_requested,
    exam_result_recorded,
    extract_handed_over,
    extract_printed,
    extract_requested,
    final_grade_set,
    forecast_updated,
    holidays_changed,
    homework_changed,
    invitation_issued,
    lesson_changed,
    mark_recorded,
    person_changed,
    recommendation_changed,
    result_disclosed,
    results_visible,
    school_changed,
    study_group_changed,
    substitution_changed,
    timetable_changed,
)
from contracts.base import Event

_MODULES: tuple[ModuleType, ...] = (
    school_changed,
    person_changed,
    study_group_changed,
    mark_recorded,
    final_grade_set,
    exam_result_recorded,
    timetable_changed,
    lesson_changed,
    substitution_changed,
    control_work_changed,
    homework_changed,
    recommendation_changed,
    holidays_changed,
    attendance_recorded,
    forecast_updated,
    consent_changed,
    consent_heartbeat,
    invitation_issued,
    erasure_requested,
    account_changed,
    results_visible,
    result_disclosed,
    disclosure_overdue,
    extract_requested,
    extract_printed,
    extract_handed_over,
)

EXAMPLES: tuple[Event, ...] = (*(module.EXAMPLE for module in _MODULES), *data_erased.EXAMPLES)
EVENTS: dict[str, type[Event]] = {example.TOPIC: type(example) for example in EXAMPLES}
"""Event type (`ce_type`) to its model."""


def carrier(event: type[Event]) -> str:
    """The Kafka topic on which an event travels: its own, but for the consent heartbeat."""
    return str(getattr(event, "CARRIER", event.TOPIC))


TOPICS: dict[str, bool] = {carrier(event): event.COMPACTED for event in EVENTS.values()}
"""Topic to whether it is compacted."""
