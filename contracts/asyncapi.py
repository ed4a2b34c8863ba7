"""The AsyncAPI 3.0 document: which message travels on which topic, under which key, with which headers."""

from typing import Any

from contracts.base import Event
from contracts.catalogue import EVENTS, TOPICS, carrier
from contracts.schemas import Schema

RETENTION_DAYS = 30
"""How long topics that are not compacted keep their messages."""

_HEADERS: Schema = {
    "type": "object",
    "required": ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_subject", "content-type"],
    "properties": {
        "ce_specversion": {"type": "string", "const": "1.0"},
        "ce_id": {
            "type": "string",
            "format": "uuid",
            "description": "UUIDv5 of topic, aggregate and revision: a replay gives the same.",
        },
        "ce_source": {"type": "string", "description": "The owner of the fact, as `/sutki/<service>`."},
        "ce_type": {"type": "string", "description": "`<service>.<event>.v<major>`."},
        "ce_time": {"type": "string", "format": "date-time", "description": "When the fact came to be."},
        "ce_subject": {"type": "string", "format": "uuid", "description": "The key."},
        "content-type": {"type": "string", "const": "application/json"},
        "traceparent": {"type": "string", "description": "W3C trace context of what caused the event."},
    },
}


def document() -> Schema:
    """The whole document, for the events of the catalogue."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Sutki: events between the services",
            "version": "1.0.0",
            "description": (
                "CloudEvents 1.0 on Kafka in binary mode. Every event carries the whole state of its aggregate at its "
                "revision; a reader applies only a higher one and ignores fields that it does not know. Within a major "
                "version only optional fields are added (see `contracts/compatibility.py`)."
            ),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {topic: _channel(topic) for topic in TOPICS},
        "operations": {f"send.{name}": _operation("send", event) for name, event in EVENTS.items()}
        | {f"receive.{name}": _operation("receive", event) for name, event in EVENTS.items()},
        "components": {
            "messages": {name: _message(event) for name, event in EVENTS.items()},
            "messageTraits": {"cloudEvent": {"contentType": "application/json", "headers": _HEADERS}},
        },
    }


def _channel(topic: str) -> dict[str, Any]:
    carried = [name for name, event in EVENTS.items() if carrier(event) == topic]
    configuration: dict[str, Any] = {"cleanup.policy": ["compact"] if TOPICS[topic] else ["delete"]}
    if not TOPICS[topic]:
        configuration["retention.ms"] = RETENTION_DAYS * 86_400_000
    return {
        "address": topic,
        "description": _summary(EVENTS[topic]),
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in carried},
        "bindings": {"kafka": {"topic": topic, "topicConfiguration": configuration, "bindingVersion": "0.5.0"}},
    }


def _operation(action: str, event: type[Event]) -> dict[str, Any]:
    channel = f"#/channels/{carrier(event)}"
    operation = {
        "action": action,
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{event.TOPIC}"}],
    }
    owner = event.TOPIC.split(".", 1)[0]
    summary = f"{owner} tells" if action == "send" else "Any other service hears"
    return {"summary": f"{summary}: {_summary(event)}", **operation}


def _message(event: type[Event]) -> dict[str, Any]:
    return {
        "name": event.TOPIC,
        "title": event.__name__,
        "summary": _summary(event),
        "traits": [{"$ref": "#/components/messageTraits/cloudEvent"}],
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-2020-12",
            "schema": {"$ref": f"schemas/{event.TOPIC}.json"},
        },
        "bindings": {
            "kafka": {
                "key": {"type": "string", "format": "uuid", "description": _key(event)},
                "bindingVersion": "0.5.0",
            },
        },
    }


def _summary(event: type[Event]) -> str:
    return (event.__doc__ or "").strip().splitlines()[0]


def _key(event: type[Event]) -> str:
    return (event.key.__doc__ or "").strip().splitlines()[0]
