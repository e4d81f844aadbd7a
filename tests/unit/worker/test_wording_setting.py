"""`language` and `wording`: what reasons are said in, refused with the line of the mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from worker.bootstrap import Process
from worker.settings import ConfigurationError, Settings


def process(language: str, path: Path | None = None) -> Process:
    return Process(Settings.model_validate({"language": language, "wording": path}))


def test_a_language_and_a_file_on_top_of_it(tmp_path: Path) -> None:
    assert process("ru").vocabulary.wording.language == "ru"
    path = tmp_path / "w.yaml"
    path.write_text("version: 1\ntexts: {base: Старт}\n", encoding="utf-8")
    wording = process("ru", path).vocabulary.wording
    assert wording.texts["base"] == "Старт"
    assert wording.texts["clip"] == process("ru").vocabulary.wording.texts["clip"]


def test_reasons_lead_to_the_console_that_people_use() -> None:
    settings = Settings.model_validate({"console_url": "https://lg.example.com"})
    assert Process(settings).vocabulary.wording.linked("+5 A", 7) == "+5 A; https://lg.example.com/leads/7"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"version: 1\nfeatures: {contry: x}\n", r"`wording`: .*w\.yaml:2:12: unknown feature: 'contry'"),
        (b"\xff", "cannot be read: it is not UTF-8 text"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, body: bytes | None, said: str) -> None:
    path = tmp_path / "w.yaml"
    if body is not None:
        path.write_bytes(body)
    with pytest.raises(ConfigurationError, match=said):
        _ = process("en", path).vocabulary.wording
