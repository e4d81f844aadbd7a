"""The systemd units run the same roles as Compose."""

from __future__ import annotations

import configparser
import re
import shlex
from pathlib import Path

import yaml

from worker.settings import Settings

DEPLOY = Path(__file__).parents[3] / "deploy"
ROLES = DEPLOY / "systemd" / "roles"


def role(name: str) -> dict[str, str]:
    lines = (line for line in (ROLES / name).read_text().splitlines() if line and not line.startswith("#"))
    return {key: shlex.split(value)[0] for key, _, value in (line.partition("=") for line in lines)}


def test_the_target_wants_every_role_and_each_runs_what_compose_runs() -> None:
    target = configparser.ConfigParser()
    target.read(DEPLOY / "systemd" / "leadgauge.target")
    names = re.findall(r"leadgauge@(\w+)\.service", target["Unit"]["Wants"])
    assert sorted(names) == sorted(file.name for file in ROLES.iterdir())
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    ours = [service["command"] for name, service in services.items() if name not in ("postgres", "valkey", "migrate")]
    ours = [command[:1] if command[0] == "console" else command for command in ours]  # here on this machine alone
    assert sorted(ours) == sorted(role(name)["ROLE"].split() for name in names)


def test_the_trainer_has_more_memory_than_a_training_may_take() -> None:
    limits = configparser.ConfigParser()
    limits.read(DEPLOY / "systemd" / "leadgauge@trainer.service.d" / "memory.conf")
    allowed = int(role("trainer")["LEADGAUGE_TRAINING_MEMORY"])
    assert allowed == Settings().training_memory
    assert int(limits["Service"]["MemoryMax"].removesuffix("G")) * 1024 >= allowed + 1024
