"""W3C trace context: from HTTP through outbox and Kafka headers into handlers."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Link, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_PROPAGATOR = TraceContextTextMapPropagator()
_TRACER = trace.get_tracer("sutki")


def configure(service: str) -> None:
    """Installs the tracer; spans are made but go nowhere unless an exporter is added."""
    trace.set_tracer_provider(TracerProvider(resource=Resource.create({"service.name": f"sutki-{service}"})))


def current_traceparent() -> str | None:
    """The header for what is caused by the present span."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent")


@contextmanager
def span(name: str, traceparents: Iterable[str | None] = (), *, kind: SpanKind = SpanKind.INTERNAL) -> Iterator[None]:
    """A span caused by others: the first is the parent, the rest are linked (a batch has many causes)."""
    contexts = [_PROPAGATOR.extract({"traceparent": parent}) for parent in dict.fromkeys(traceparents) if parent]
    parent = contexts[0] if contexts else None
    links = [Link(trace.get_current_span(context).get_span_context()) for context in contexts[1:]]
    with _TRACER.start_as_current_span(name, context=parent, links=links, kind=kind):
        yield
