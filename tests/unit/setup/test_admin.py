"""Whose credentials `leadgauge provision --auth` takes, and that nothing else of a source changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from connectors.catalog import SourceSettings
from worker.settings import ConfigurationError
from worker.setup.provision import as_admin

SOURCES: tuple[dict[str, Any], ...] = (
    {"kind": "hubspot", "name": "portal", "auth": {"type": "token", "token": {"env": "T"}}, "page_size": 7},
    {"kind": "marketo", "name": "mkto", "host": "https://123-abc-456.mktorest.com", "page_size": 7,
     "auth": {"client_id": "c", "client_secret": {"env": "S"}}},
)  # fmt: skip


@pytest.mark.parametrize("given", SOURCES, ids=lambda its: its["kind"])
def test_an_admin_takes_the_place_of_the_source_s_own_user(given: dict[str, Any], tmp_path: Path) -> None:
    settings: Any = TypeAdapter[Any](SourceSettings).validate_python(given)
    file = tmp_path / "admin.yaml"
    admins = {"hubspot": "{type: token, token: {env: ADMIN}}", "marketo": "{client_id: a, client_secret: {env: ADMIN}}"}
    file.write_text(admins[given["kind"]], "utf-8")
    read: Any = as_admin(settings, file)
    assert "ADMIN" in repr(read.auth)
    assert read.model_copy(update={"auth": settings.auth}) == settings


def test_what_is_no_auth_is_told_with_the_file(tmp_path: Path) -> None:
    settings: Any = TypeAdapter[Any](SourceSettings).validate_python(SOURCES[1])
    file = tmp_path / "admin.yaml"
    file.write_text("{client_id: a, secret: x}", "utf-8")
    with pytest.raises(ConfigurationError, match=r"admin\.yaml: auth\.client_secret.*as under mkto"):
        as_admin(settings, file)
