"""A configuration as `leadgauge init` writes it: what was answered, and in comments what else a person may set."""

from __future__ import annotations

import json
from collections.abc import Mapping

from worker.setup.answers import Answers


def written(answers: Answers) -> str:
    """The file's text. It holds no secret, only where each lies."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("worker.setup"), undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - YAML; every value is quoted
    )  # fmt: skip
    environment.filters |= {"quoted": _quoted, "place": _place, "mapping": _mapping}
    return environment.get_template("leadgauge.yaml").render(answers=answers)


def _place(place: str) -> str:
    kind, _, where = place.partition(":")
    return f"{{{kind}: {_quoted(where)}}}"


def _mapping(values: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{_quoted(name)}: {_quoted(value)}" for name, value in values.items()) + "}"


def _quoted(value: str) -> str:
    """A YAML scalar: JSON is YAML."""
    return json.dumps(value, ensure_ascii=False)
