"""The deployment files agree with the code: every service, its port, its variables, its roles."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from chassis.settings import ServiceSettings
from services.cabinet.settings import Settings as CabinetSettings
from services.consent.settings import Settings as ConsentSettings
from services.extracts.settings import Settings as ExtractsSettings
from services.gradebook.settings import Settings as GradebookSettings
from services.publisher.settings import Settings as PublisherSettings
from sutki.stack.postgres import SERVICES
from sutki.stack.stack import DEFAULT_PORTS

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
SETTINGS: dict[str, type[ServiceSettings]] = {
    "cabinet": CabinetSettings,
    "consent": ConsentSettings,
    "extracts": ExtractsSettings,
    "gradebook": GradebookSettings,
    "publisher": PublisherSettings,
}
PORTS = {name: settings.model_fields["http_port"].default for name, settings in SETTINGS.items()}

EXAMPLE = dict(
    line.split("=", 1)
    for line in (DEPLOY / "example.env").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
)


def _filled(text: str, variables: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        name, _, default = match.group(1).partition(":")
        if name in variables:
            return variables[name]
        assert default.startswith("-"), f"{name} is required and the example does not name it"
        return default[1:]

    return re.sub(r"(?<!\$)\$\{([^}]+)\}", value, text)


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return dict(yaml.safe_load(_filled((DEPLOY / "compose.yaml").read_text(encoding="utf-8"), EXAMPLE)))


def test_the_services_of_code_stack_and_deployment_are_the_same(compose: dict[str, Any]) -> None:
    assert set(SERVICES) == set(SETTINGS)
    assert set(SERVICES) <= set(compose["services"])
    folders = {path.parent.name for path in (DEPLOY.parent / "services").glob("*/__main__.py")}
    assert folders == set(SERVICES)


def test_ports_are_those_of_the_settings(compose: dict[str, Any]) -> None:
    assert {name: DEFAULT_PORTS[name] for name in SERVICES} == PORTS
    for name, port in PORTS.items():
        service = compose["services"][name]
        internal = service["environment"]["SUTKI_INTERNAL_PORT"]
        assert f"http://127.0.0.1:{internal}/health/live" in " ".join(service["healthcheck"]["test"])
        for published in service.get("ports", []):
            assert published == f"127.0.0.1:{port}:{port}", "published on the server itself only"


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_starts_with_the_variables_that_compose_gives_it(
    name: str, compose: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    environment: dict[str, str | int | None] = compose["services"][name]["environment"]
    fields = SETTINGS[name].model_fields
    for variable, value in environment.items():
        field = variable.removeprefix("SUTKI_").removeprefix(f"{name.upper()}_").lower()
        assert field in fields, f"{variable} is no setting of {name}"
        if value is not None:
            monkeypatch.setenv(variable, str(value))
    settings = SETTINGS[name]()
    assert (
        settings.database_url
        == f"postgresql://sutki_{name}:{EXAMPLE[name.upper() + '_PASSWORD']}@postgres:5432/sutki_{name}"
    )
    assert settings.owner_database_url is None, "a running service never holds the owner's password"
    assert settings.kafka_idempotence
    assert (settings.http_host, settings.internal_host) == ("0.0.0.0", "0.0.0.0")  # inside its container
    assert settings.internal_port is not None, "metrics are not on the port that families reach"
    assert compose["services"][name]["command"] == [f"services.{name}", "run"]


def test_the_preparing_job_migrates_every_service_and_makes_the_topics(compose: dict[str, Any]) -> None:
    (script,) = compose["services"]["prepare"]["command"]
    assert set(re.search(r"for service in ([a-z ]+);", script).group(1).split()) == set(SERVICES)  # type: ignore[union-attr]
    assert "python -m sutki.stack.topics" in script
    for name in SERVICES:
        owner = compose["services"]["prepare"]["environment"][f"SUTKI_{name.upper()}_OWNER_DATABASE_URL"]
        assert owner.startswith(f"postgresql://sutki_{name}_owner:")
        assert compose["services"][name]["depends_on"]["prepare"] == {"condition": "service_completed_successfully"}


def test_everything_runs_without_root_on_a_read_only_disk_and_is_watched(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        user, _, group = service["user"].partition(":")
        assert int(user) > 0, name
        assert int(group) > 0, name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert ":" in service["image"], f"{name}: a version is named"
        assert not service["image"].endswith(":latest"), name
        if name != "prepare":
            assert "healthcheck" in service, name


def test_data_lie_in_named_volumes(compose: dict[str, Any]) -> None:
    used = {
        volume.partition(":")[0]
        for service in compose["services"].values()
        for volume in service.get("volumes", [])
        if not volume.startswith(".")
    }
    assert used == set(compose["volumes"])


def test_the_pinned_kafka_is_the_one_that_the_tests_run(compose: dict[str, Any]) -> None:
    pom = (DEPLOY / "kafka" / "pom.xml").read_text(encoding="utf-8")
    pinned = re.search(r"<kafka.version>([^<]+)<", pom)
    assert pinned is not None
    assert compose["services"]["kafka"]["image"] == f"apache/kafka:{pinned.group(1)}"
    assert compose["services"]["kafka"]["environment"]["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


def test_prometheus_scrapes_every_service_where_it_listens(compose: dict[str, Any]) -> None:
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    targets = {
        job["job_name"]: [target for group in job["static_configs"] for target in group["targets"]]
        for job in config["scrape_configs"]
    }
    ports = {name: compose["services"][name]["environment"]["SUTKI_INTERNAL_PORT"] for name in SERVICES}
    assert {name: targets[name] for name in SERVICES} == {name: [f"{name}:{port}"] for name, port in ports.items()}
    published = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert not [port for port in published if port.rsplit(":", 1)[1] in ports.values()]


def test_the_cabinet_is_told_which_proxy_to_believe(compose: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    environment = compose["services"]["cabinet"]["environment"]
    for variable in ("SUTKI_CABINET_DATABASE_URL", "SUTKI_KAFKA_BOOTSTRAP", "SUTKI_CABINET_TRUSTED_PROXIES"):
        monkeypatch.setenv(variable, environment[variable])
    assert CabinetSettings().trusted_proxies


def test_whether_mail_is_encrypted_is_somebodys_decision_and_no_default(compose: dict[str, Any]) -> None:
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    assert re.findall(r"\$\{SMTP_TLS(:[?-])", text) == [":?"]
    assert compose["services"]["publisher"]["environment"]["SUTKI_PUBLISHER_SMTP_TLS"] == "none", "of the example"


def test_every_role_has_a_password_of_its_own_in_the_example_and_none_is_real(compose: dict[str, Any]) -> None:
    passwords = {name: value for name, value in EXAMPLE.items() if name.endswith("PASSWORD")}
    assert len(passwords) == 2 * len(SERVICES) + 1
    assert len(set(passwords.values())) == len(passwords)
    assert all(value.startswith("change-me") for value in passwords.values())
    script = (DEPLOY / "postgres" / "passwords.sql").read_text(encoding="utf-8")
    handed_over = set(re.findall(r"^\\getenv \w+ (\w+)$", script, re.MULTILINE))
    assert handed_over == set(passwords) - {"POSTGRES_PASSWORD"}
    assert handed_over <= set(compose["services"]["postgres"]["environment"])


def test_the_image_runs_as_a_number_that_is_not_root_and_holds_no_development_tools() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    assert re.findall(r"^USER (\S+)$", dockerfile, re.MULTILINE) == ["10001:10001"]
    assert all("--no-default-groups" in line for line in dockerfile.splitlines() if "uv sync" in line)
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    copied = re.findall(r"^COPY (?!--)(.+) \S+$", dockerfile, re.MULTILINE)
    for path in " ".join(copied).split():
        assert f"!{path}" in ignored, f"{path} is copied but ignored"
