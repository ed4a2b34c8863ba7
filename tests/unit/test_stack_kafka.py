"""What is said when Apache Kafka cannot be had."""

from pathlib import Path

import pytest

from sutki.stack import kafka
from sutki.stack.errors import Unavailable


def _tool(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    tool = folder / name
    tool.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    tool.chmod(0o755)


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder in which programs are found, and an empty cache."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "bin"


def test_without_java_it_names_the_package(tools: Path) -> None:
    with pytest.raises(Unavailable, match="openjdk-17-jre-headless") as caught:
        kafka.jars()
    assert "Java 17" in caught.value.reason


def test_an_old_java_is_named(tools: Path) -> None:
    _tool(tools, "java", """echo 'openjdk version "11.0.2" 2019-01-15' >&2""")
    with pytest.raises(Unavailable, match=r'Java 17 or newer, found: openjdk version "11\.0\.2"'):
        kafka.jars()


def test_without_maven_and_jars_it_names_the_package(tools: Path) -> None:
    _tool(tools, "java", """echo 'openjdk version "17.0.15" 2025-04-15' >&2""")
    with pytest.raises(Unavailable, match="apt-get install maven"):
        kafka.jars()


def test_what_maven_could_not_fetch_is_said_and_nothing_half_fetched_stays(tools: Path, tmp_path: Path) -> None:
    _tool(tools, "java", """echo 'openjdk version "21" 2023-09-19' >&2""")
    _tool(tools, "mvn", "echo '[ERROR] no route to the repository'; exit 1")
    with pytest.raises(Unavailable, match="no route to the repository"):
        kafka.jars()
    assert list((tmp_path / "cache" / "sutki").iterdir()) == []


def test_jars_are_fetched_once(tools: Path, tmp_path: Path) -> None:
    _tool(tools, "java", """echo 'openjdk version "17.0.15" 2025-04-15' >&2""")
    _tool(tools, "mvn", 'for last; do :; done; : > "${last#-DoutputDirectory=}/kafka_2.13.jar"')
    first = kafka.jars()
    (tools / "mvn").unlink()
    assert kafka.jars() == first
    assert [path.name for path in first.iterdir()] == ["kafka_2.13.jar"]
