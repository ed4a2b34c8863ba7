"""What is generated from the contracts is up to date, and says the truth about topics, keys and headers."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from chassis.messages import headers_for
from chassis.topics import RETENTION_MS
from contracts import generate
from contracts.catalogue import EVENTS, EXAMPLES, TOPICS, carrier
from contracts.consent_changed import ConsentChanged
from contracts.consent_heartbeat import ConsentHeartbeat
from contracts.generate import FOLDER, files, main, outdated, write


@pytest.fixture(scope="module")
def document():
    return yaml.safe_load((FOLDER / "asyncapi.yaml").read_text(encoding="utf-8"))


def resolve(document, reference: str):
    """Follows a reference within the document."""
    node = document
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]
    return node


def test_nothing_generated_is_out_of_date():
    assert outdated() == []
    assert main(["--check"]) == 0


def test_every_event_has_a_schema_and_an_example():
    assert {path for path in files() if path != "asyncapi.yaml"} == {
        f"{folder}/{name}.json" for name in EVENTS for folder in ("schemas", "examples")
    }


def test_a_file_that_was_edited_lost_or_left_over_is_noticed_and_mended(tmp_path):
    for name in ("schemas", "examples"):
        shutil.copytree(FOLDER / name, tmp_path / name)
    shutil.copy(FOLDER / "asyncapi.yaml", tmp_path)
    assert outdated(tmp_path) == []
    edited, lost, left = "schemas/gradebook.mark-recorded.v1.json", "asyncapi.yaml", "examples/gone.v1.json"
    schema = json.loads((tmp_path / edited).read_text(encoding="utf-8"))
    schema["required"].remove("value")
    (tmp_path / edited).write_text(json.dumps(schema), encoding="utf-8")
    (tmp_path / lost).unlink()
    (tmp_path / left).write_text("{}", encoding="utf-8")
    assert outdated(tmp_path) == sorted([edited, lost, left])
    assert write(tmp_path) == sorted([edited, lost, left])
    assert outdated(tmp_path) == []


def test_check_fails_when_something_is_out_of_date(monkeypatch, capsys):
    texts = {**files(), "schemas/gradebook.mark-recorded.v1.json": "{}\n"}
    monkeypatch.setattr(generate, "files", lambda: texts)
    assert main(["--check"]) == 1
    assert "contracts/schemas/gradebook.mark-recorded.v1.json is out of date" in capsys.readouterr().err


def test_every_topic_is_a_channel_with_its_policy(document):
    assert list(document["channels"]) == list(TOPICS)
    for topic, channel in document["channels"].items():
        assert channel["address"] == topic
        policy = channel["bindings"]["kafka"]["topicConfiguration"]
        assert policy["cleanup.policy"] == (["compact"] if TOPICS[topic] else ["delete"])
        assert policy.get("retention.ms") == (None if TOPICS[topic] else RETENTION_MS)


def test_the_heartbeat_rides_on_the_topic_of_consents(document):
    messages = document["channels"][ConsentChanged.TOPIC]["messages"]
    assert list(messages) == [ConsentChanged.TOPIC, ConsentHeartbeat.TOPIC]
    assert ConsentHeartbeat.TOPIC not in document["channels"]


@pytest.mark.parametrize("action", ["send", "receive"])
def test_every_event_is_sent_and_received_on_its_carrier(document, action):
    for name, event in EVENTS.items():
        operation = document["operations"][f"{action}.{name}"]
        assert operation["action"] == action
        channel = resolve(document, operation["channel"]["$ref"])
        assert channel["address"] == carrier(event)
        (message,) = operation["messages"]
        assert resolve(document, resolve(document, message["$ref"])["$ref"])["name"] == name


def test_every_message_has_a_key_headers_and_a_schema_that_exists(document):
    for name, message in document["components"]["messages"].items():
        assert message["bindings"]["kafka"]["key"]["format"] == "uuid"
        (trait,) = message["traits"]
        assert "ce_id" in resolve(document, trait["$ref"])["headers"]["required"]
        schema = FOLDER / message["payload"]["schema"]["$ref"]
        assert json.loads(schema.read_text(encoding="utf-8"))["$id"] == f"urn:sutki:event:{name}"


def test_the_documented_headers_are_those_that_are_sent(document):
    headers = document["components"]["messageTraits"]["cloudEvent"]["headers"]
    example = EXAMPLES[0]
    sent = headers_for(
        event_id=example.event_id(),
        event_type=example.TOPIC,
        subject=str(example.key()),
        time=example.occurred_at(),
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )
    assert {name for name, _ in sent} == set(headers["properties"])
    assert set(headers["required"]) == {name for name, _ in sent} - {"traceparent"}


def test_the_generated_files_lie_beside_the_contracts():
    assert Path(generate.__file__).parent == FOLDER
