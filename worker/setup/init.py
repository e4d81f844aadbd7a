"""Writing a configuration that is known to be valid, and never over one that is there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from worker.settings import ConfigurationError, parse
from worker.setup.answers import Answers
from worker.setup.written import written


def read_answers(file: Path) -> Mapping[str, Any]:
    """The answers in a YAML file. Raises `ConfigurationError`."""
    try:
        body = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as problem:
        what = problem.strerror if isinstance(problem, OSError) else "it is no YAML"
        raise ConfigurationError(f"--answers names {file}, which cannot be read: {what}") from None
    if not isinstance(body, dict):
        raise ConfigurationError(f"{file} must be a mapping, as in `salesforce: [{{url: ..., key: ...}}]`")
    return body


def answered(given: Mapping[str, Any]) -> Answers:
    """The answers, if they are all there and can be true. Raises `ConfigurationError` with a line for each that not."""
    try:
        return Answers.model_validate(given)
    except ValidationError as problem:
        lines = []
        for error in problem.errors(include_input=False, include_url=False):
            place = ".".join(str(part) for part in error["loc"]) or "answers"
            what = "is missing" if error["type"] == "missing" else error["msg"].removeprefix("Value error, ")
            lines.append(f"`{place}` {what}")
        raise ConfigurationError("\n".join(lines)) from None


def write(answers: Answers, file: Path, *, force: bool) -> str:
    """Write the configuration; returns its text. Whole or not at all, and readable by its owner alone.

    Raises `ConfigurationError`, also where a file is there and `force` does not say to replace it.
    """
    text = written(answers)
    parse(text, file)
    if file.exists() and not force:
        raise ConfigurationError(f"{file} is there already; --force replaces it, --out names another")
    fresh = file.with_name(f"{file.name}.new")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as out:
            out.write(text)
        fresh.replace(file)
    except OSError as problem:
        raise ConfigurationError(f"{file} cannot be written: {problem.strerror}") from None
    return text
