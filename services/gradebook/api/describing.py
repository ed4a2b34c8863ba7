"""What the OpenAPI document says of every endpoint alike."""

from chassis.describing import ALWAYS, FaultBody, ProblemBody, Responses, operation_id, problems

__all__ = ["ALWAYS", "FaultBody", "ProblemBody", "Responses", "operation_id", "problems"]
