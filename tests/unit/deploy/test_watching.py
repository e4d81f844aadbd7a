"""What is deployed to watch and scale Leadgauge speaks of things that exist."""

from __future__ import annotations

import json
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from worker.app import QUEUES, ROUTES
from worker.observing.catalogue import METRICS, series
from worker.settings import Settings
from worker.store import backlog

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
_NAME = re.compile(r"\bleadgauge_[a-z_]+")
_LABELS = re.compile(r"(leadgauge_[a-z_]+)\{([^}]*)\}")


@pytest.fixture(scope="module")
def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((DEPLOY / "grafana" / "alerts.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.fixture(scope="module")
def values() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((DEPLOY / "helm" / "leadgauge" / "values.yaml").read_text())
    return content


def _expressions(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    monkeypatch.syspath_prepend(str(DEPLOY))
    return list(import_module("lint").promql())


def test_every_metric_of_the_dashboard_and_the_alerts_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    known, expressions = series(), _expressions(monkeypatch)
    assert len(expressions) > 40
    for where, expression in expressions:
        named = set(_NAME.findall(expression))
        assert named, where
        assert named <= known, f"{where}: {named - known}"
        for name, labels in _LABELS.findall(expression):
            metric = METRICS.get(name) or METRICS[re.sub(r"_(bucket|sum|count)$", "", name)]
            used = set(re.findall(r"(\w+)\s*[=!]", labels))
            assert used <= set(metric.labels), f"{where}: {name} has no {used - set(metric.labels)}"


def test_every_variable_of_the_dashboard_asks_for_a_label_that_exists() -> None:
    dashboard = json.loads((DEPLOY / "grafana" / "leadgauge.json").read_text())
    asked = [its["query"]["query"] for its in dashboard["templating"]["list"] if its["type"] == "query"]
    assert len(asked) == 2
    for query in asked:
        name, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", query).groups()  # type: ignore[union-attr]
        assert label in METRICS[name].labels
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))


def test_every_alert_says_what_to_do_where_it_is_written(alerts: list[dict[str, Any]]) -> None:
    headings = re.findall(r"^#+ (.+)$", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^\w\s-]", "", heading).strip().lower().replace(" ", "-") for heading in headings}
    for rule in alerts:
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert page == "docs/operations.md"
        assert anchor in anchors, rule["alert"]
        assert {"summary", "description"} <= rule["annotations"].keys()
        assert rule["labels"]["severity"] in {"info", "warning", "critical"}
        assert rule["for"]


def test_alerts_name_tasks_that_exist(alerts: list[dict[str, Any]]) -> None:
    named = {task for rule in alerts for task in re.findall(r'task="([\w.]+)"', rule["expr"])}
    assert named
    assert named <= ROUTES.keys()


def test_the_documentation_names_every_metric_and_no_other() -> None:
    told = set(re.findall(r"`(leadgauge_[a-z_]+)`", (ROOT / "docs" / "operations.md").read_text()))
    assert told == METRICS.keys()


def test_the_chart_runs_what_compose_runs(values: dict[str, Any]) -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    ours = [service["command"] for name, service in services.items() if name not in ("postgres", "valkey", "migrate")]
    assert sorted(role["args"] for role in values["roles"].values()) == sorted(ours)
    served = [role["args"][2] for role in values["roles"].values() if role["args"][0] == "worker"]
    assert sorted(",".join(served).split(",")) == sorted(QUEUES)


def test_the_chart_scales_by_the_count_of_due_work(values: dict[str, Any]) -> None:
    for queue, query in backlog.QUERIES.items():
        assert values["autoscaling"][queue]["query"] == backlog.query(queue), query


def test_the_charts_trainer_has_more_memory_than_a_training_may_take(values: dict[str, Any]) -> None:
    trainer = values["roles"]["trainer"]
    allowed = int(trainer["env"]["LEADGAUGE_TRAINING_MEMORY"])
    assert allowed == Settings().training_memory
    assert int(trainer["resources"]["limits"]["memory"].removesuffix("Gi")) * 1024 >= allowed + 1024


def test_the_health_check_looks_where_the_image_keeps_its_home(values: dict[str, Any]) -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    helpers = (DEPLOY / "helm" / "leadgauge" / "templates" / "_helpers.tpl").read_text()
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    command = ["python", "-m", "worker.observing.heartbeat", "/tmp/leadgauge"]  # noqa: S108 - in a container
    assert f"CMD {json.dumps(command)}" in dockerfile
    assert "LEADGAUGE_HOME=/tmp/leadgauge" in dockerfile
    assert compose["x-leadgauge"]["healthcheck"]["test"] == ["CMD", *command]
    assert helpers.count(f"exec: {{command: [{', '.join(command)}]}}") == 2
