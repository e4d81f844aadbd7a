"""The locks hold what pyproject.toml asks for, by hash, and name no place to fetch it from."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[3]
EXTRAS: dict[str, tuple[str, ...]] = {
    "requirements.lock": ("embedded", "sandbox"),
    "requirements-dev.lock": ("embedded", "sandbox", "dev"),
    "requirements-prod.lock": (),
    "requirements-lint.lock": (),
}
every_lock = pytest.mark.parametrize("lock", EXTRAS)


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def asked_for(lock: str) -> list[Requirement]:
    content = project()
    groups, product = content["dependency-groups"], content["project"]
    wanted = [*groups["build"], *(groups["lint"] if lock == "requirements-lint.lock" else product["dependencies"])]
    for extra in EXTRAS[lock]:
        wanted += product["optional-dependencies"][extra]
    return [Requirement(line) for line in wanted]


def entries(lock: str) -> list[str]:
    """One logical line a locked package."""
    return (ROOT / lock).read_text().replace("\\\n", " ").splitlines()


def locked(lock: str) -> dict[str, list[Requirement]]:
    found: dict[str, list[Requirement]] = {}
    for entry in entries(lock):
        requirement = Requirement(entry.partition("--hash")[0].strip())
        found.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return found


@every_lock
def test_every_direct_dependency_is_locked_at_a_version_that_satisfies_it(lock: str) -> None:
    held = locked(lock)
    for wanted in asked_for(lock):
        pins = held.get(canonicalize_name(wanted.name))
        assert pins, f"{wanted.name} is not in {lock}: run make lock"
        for pin in pins:
            version = str(pin.specifier).removeprefix("==")
            assert wanted.specifier.contains(version), f"{lock} has {pin}, pyproject.toml wants {wanted}: run make lock"


@every_lock
@pytest.mark.parametrize("python", ["3.11.0", "3.11.2", "3.12.1", "3.13.0", "3.14.0"])
@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_every_direct_dependency_has_one_version_on_every_python_and_platform(
    lock: str, python: str, platform: str
) -> None:
    environment = {
        "python_full_version": python,
        "python_version": ".".join(python.split(".")[:2]),
        "sys_platform": platform,
        "platform_system": platform.capitalize(),
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
        "platform_machine": "x86_64",
    }
    held = locked(lock)
    for wanted in asked_for(lock):
        pins = held[canonicalize_name(wanted.name)]
        fitting = [pin for pin in pins if pin.marker is None or Marker(str(pin.marker)).evaluate(environment)]
        assert len(fitting) == 1, f"{lock}: {wanted.name} on Python {python}, {platform}: {pins}"


@every_lock
def test_every_entry_is_pinned_and_hashed(lock: str) -> None:
    for entry in entries(lock):
        assert re.match(r"^[A-Za-z0-9._-]+(\[[a-z,]+\])?==\S+ ", entry), entry
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry


@every_lock
def test_no_address_and_no_path_is_named(lock: str) -> None:
    for line in (ROOT / lock).read_text().splitlines():
        assert not re.search(r"://|index|find-links|@ |file:|/", line), line


def test_locks_agree_with_each_other() -> None:
    everything = {name: sorted(map(str, pins)) for name, pins in locked("requirements-dev.lock").items()}
    for lock in ("requirements.lock", "requirements-prod.lock", "requirements-lint.lock"):
        for name, pins in locked(lock).items():
            if lock == "requirements-lint.lock" and name not in everything:
                continue
            versions = {str(pin.specifier) for pin in pins}
            assert versions <= {str(Requirement(pin).specifier) for pin in everything[name]}, f"{lock}: {name}"


def test_the_build_backend_is_locked_as_the_build_asks_for_it() -> None:
    content = project()
    assert content["dependency-groups"]["build"] == content["build-system"]["requires"]
