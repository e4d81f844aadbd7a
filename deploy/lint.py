"""`python deploy/lint.py`: what can be known of the deployment files without a Docker engine or a cluster.

Dockerfile and scripts by their linters, the Compose file by Compose itself, systemd units by systemd where it is, the
Helm chart linted, rendered with every file in `ci/` and validated against the schemas of Kubernetes, and every PromQL
expression parsed. A tool that this platform has no package of is told and left out.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

DEPLOY = Path(__file__).parent
CHART = DEPLOY / "helm" / "leadgauge"
KUBERNETES = ("1.27", "1.31", "1.34")
"""The oldest that the chart allows, and later ones."""
NO_SCHEMA = frozenset({"ScaledObject", "TriggerAuthentication", "ServiceMonitor"})
"""Kinds of operators, whose schemas are not Kubernetes' own."""
REFUSED: tuple[dict[str, Any], ...] = (
    {"existingSecret": ""},
    {"image": {"tag": "latest"}},
    {"roles": {"beat": {"replicas": 2}}},
    {"roles": {"typo": {"args": ["beat"], "replicas": 1}}},
    {"config": {"database_url": "postgresql://user:password@host/database"}},
    {"autoscaling": {"compute": {"min": 0}}},
)
"""Values that the chart's schema must not let through."""


class Missing(Exception):
    """A tool is not here."""


def main() -> int:
    """0 where nothing is wrong."""
    failed = False
    for check in (dockerfile, scripts, compose, units, chart, expressions):
        try:
            wrong = list(check())
        except Missing as tool:
            sys.stdout.write(f"{check.__name__}: left out, there is no {tool} here\n")
            continue
        failed = failed or bool(wrong)
        sys.stdout.write("".join(f"{check.__name__}: {line}\n" for line in wrong) or f"{check.__name__}: fine\n")
    return int(failed)


def dockerfile() -> Iterator[str]:
    yield from _run("hadolint", "--no-color", str(DEPLOY.parent / "Dockerfile"))


def scripts() -> Iterator[str]:
    yield from _run("shellcheck", str(DEPLOY / "make-secrets"), str(DEPLOY.parent / ".ci" / "run"))


def compose() -> Iterator[str]:
    """With secrets as `make-secrets` writes them."""
    with tempfile.TemporaryDirectory() as place:
        for name in ("compose.yaml", "make-secrets"):
            shutil.copy(DEPLOY / name, place)
        shutil.copy(DEPLOY / "leadgauge.example.yaml", Path(place, "leadgauge.yaml"))
        subprocess.run(["./make-secrets"], cwd=place, check=True, capture_output=True)
        yield from _run("docker-compose", "--file", f"{place}/compose.yaml", "config", "--quiet")


def units() -> Iterator[str]:
    """In a root of their own, where the command that they start is."""
    with tempfile.TemporaryDirectory() as root:
        program = Path(root, "opt/leadgauge/bin/leadgauge")
        program.parent.mkdir(parents=True)
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
        target = Path(root, "etc/systemd/system")
        shutil.copytree(DEPLOY / "systemd", target)
        for system in ("/usr/lib/systemd/system", "/lib/systemd/system"):
            if Path(system).is_dir():
                shutil.copytree(system, f"{root}{system}", symlinks=True, dirs_exist_ok=True)
        shutil.copytree(DEPLOY / "systemd" / "roles", Path(root, "etc/leadgauge/roles"))
        names = [file.name for file in target.iterdir() if file.suffix in (".service", ".target", ".timer")]
        names = [name.replace("@.", "@sync.") for name in sorted(names)]
        told = _told("systemd-analyze", "verify", "--man=no", f"--root={root}", *names)
        # What is ignored is told, too, and ends well. Nothing of what this system's own units are told.
        yield from (line.replace(root, "") for line in told.stderr.splitlines() if "leadgauge" in line)


def chart() -> Iterator[str]:
    helm, validate = _module("helm_python"), _module("kubernetes_validate")
    yield from (f"{its['path']}: {its['error']}" for its in helm.lint(str(CHART))["messages"] if its["severity"] > 1)
    with helm.Chart.load(str(CHART)) as loaded:
        for file in (None, *sorted((CHART / "ci").glob("*.yaml"))):
            values = yaml.safe_load(file.read_text()) if file else {}
            rendered = loaded.render(values, name="demo", namespace="prod")
            for name, text in rendered.items():
                if name.endswith(".yaml"):
                    yield from _invalid(validate, f"{file.name if file else 'defaults'}: {Path(name).name}", text)
        for values in REFUSED:
            try:
                loaded.validate_schema(loaded.merge_values(values))
            except helm.HelmError:
                continue
            yield f"values.schema.json lets {json.dumps(values)} through"


def _invalid(validate: ModuleType, where: str, text: str) -> Iterator[str]:
    for document in filter(None, yaml.safe_load_all(text)):
        if document["kind"] in NO_SCHEMA:
            continue
        for version in KUBERNETES:
            try:
                validate.validate(document, version, strict=True)
            except validate.ValidationError as problem:
                yield f"{where}: {document['kind']} for Kubernetes {version}: {problem.message}"


def expressions() -> Iterator[str]:
    parse: Callable[[str], object] = _module("promql_parser").parse
    for where, expression in promql():
        try:
            parse(expression)
        except ValueError as problem:
            yield f"{where}: {problem}"


def promql() -> Iterator[tuple[str, str]]:
    """Every expression of the dashboard and the alert rules, and where it stands."""
    for group in yaml.safe_load((DEPLOY / "grafana" / "alerts.yaml").read_text())["groups"]:
        yield from ((rule["alert"], rule["expr"]) for rule in group["rules"])
    for panel in json.loads((DEPLOY / "grafana" / "leadgauge.json").read_text())["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"].replace("$__rate_interval", "5m")


def _module(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError:
        raise Missing(name) from None


def _run(tool: str, *arguments: str) -> list[str]:
    """Lines of a tool that ended with anything but 0."""
    done = _told(tool, *arguments)
    return (done.stdout + done.stderr).splitlines() or [f"ended with {done.returncode}"] if done.returncode else []


def _told(tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """It is looked for beside Python first."""
    found = shutil.which(tool, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if found is None:
        raise Missing(tool)
    return subprocess.run([found, *arguments], capture_output=True, text=True, check=False)


if __name__ == "__main__":
    sys.exit(main())
