"""The Compose file: closed to the network, whole, and serving every queue."""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from worker.app import QUEUES
from worker.settings import Settings

DEPLOY = Path(__file__).parents[3] / "deploy"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return content


def test_only_the_console_is_published_and_on_this_machine_alone(compose: dict[str, Any]) -> None:
    ports = {name: service["ports"] for name, service in compose["services"].items() if "ports" in service}
    assert ports == {"web": ["${WEB_ADDRESS:-127.0.0.1:8700}:8700"]}
    servers = [compose["services"][name]["networks"] for name in ("postgres", "valkey")]
    assert servers == [["inside"]] * 2
    assert compose["networks"]["inside"]["internal"]


def test_every_secret_volume_and_dependency_is_declared(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert set(service.get("secrets", [])) <= set(compose["secrets"]), name
        assert set(service.get("depends_on", {})) <= set(compose["services"]), name
        named = {volume.split(":")[0] for volume in service.get("volumes", []) if not volume.startswith(".")}
        assert named <= set(compose["volumes"]), name


def test_whoever_is_waited_for_as_healthy_has_a_health_check(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for service in services.values():
        for name, wanted in service.get("depends_on", {}).items():
            assert wanted["condition"] != "service_healthy" or "healthcheck" in services[name]


def test_every_role_that_goes_on_is_watched(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        check = service["healthcheck"]
        assert check.get("disable") if name == "migrate" else check["test"][0] in ("CMD", "CMD-SHELL"), name


def test_every_queue_has_a_worker(compose: dict[str, Any]) -> None:
    served: list[str] = []
    for service in compose["services"].values():
        command = service.get("command", [])
        if command[:1] == ["worker"]:
            served += command[command.index("--queues") + 1].split(",")
    assert sorted(served) == sorted(QUEUES)


def test_the_trainer_has_more_memory_than_a_training_may_take(compose: dict[str, Any]) -> None:
    trainer = compose["services"]["trainer"]
    assert trainer["command"] == ["trainer"]

    def default(written: str) -> str:
        return written.partition(":-")[2].rstrip("}")

    assert int(default(trainer["environment"]["LEADGAUGE_TRAINING_MEMORY"])) == Settings().training_memory
    assert int(default(trainer["mem_limit"]).removesuffix("g")) * 1024 >= Settings().training_memory + 1024
    assert trainer["environment"]["LEADGAUGE_CONFIG"] == compose["x-leadgauge"]["environment"]["LEADGAUGE_CONFIG"]


def test_every_image_is_pinned_by_tag(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        name, _, tag = service["image"].partition(":")
        assert name
        assert tag not in {"", "latest"}


def test_made_secrets_are_all_that_compose_names_and_are_valid_settings(
    compose: dict[str, Any], tmp_path: Path
) -> None:
    script = shutil.copy(DEPLOY / "make-secrets", tmp_path)
    subprocess.run([script], check=True, capture_output=True)
    for secret in compose["secrets"].values():
        assert (tmp_path / secret["file"]).stat().st_size > 20
    assert oct((tmp_path / "secrets").stat().st_mode & 0o777) == "0o700"
    settings = Settings(_secrets_dir=tmp_path / "secrets")
    password = (tmp_path / "secrets" / "postgres_password").read_text()
    assert isinstance(settings.database_url, SecretStr)
    assert f":{password}@postgres:" in settings.database_url.get_secret_value()
    assert settings.token_key is not None
    assert len(base64.urlsafe_b64decode(settings.token_key.get_secret_value())) == 32
    assert settings.model_key is not None
    assert settings.redis_url is not None
    valkey = settings.redis_url.get_secret_value().removeprefix("redis://:").partition("@")[0]
    assert f"requirepass {valkey}\n" in (tmp_path / "secrets" / "valkey.conf").read_text()


def test_secrets_are_never_replaced(tmp_path: Path) -> None:
    script = shutil.copy(DEPLOY / "make-secrets", tmp_path)
    subprocess.run([script], check=True, capture_output=True)
    before = (tmp_path / "secrets" / "postgres_password").read_text()
    again = subprocess.run([script], check=False, capture_output=True, text=True)
    assert again.returncode == 1
    assert "nothing was changed" in again.stderr
    assert (tmp_path / "secrets" / "postgres_password").read_text() == before
