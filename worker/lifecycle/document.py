"""A policy as a YAML file that people keep: read with the line of everything that is wrong, and written."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from worker.lifecycle.policy import Policy, PolicyError, merged, problems, strangers
from worker.scoring.document import Document, RulesError, line_at, line_of

_PLAIN = {f"tag:yaml.org,2002:{name}" for name in ("int", "float", "bool", "null")}


def read(text: str, file: str, base: Policy, known: Collection[str] | None = None) -> Policy:
    """`base` with what the file says otherwise; what it does not mention stays. `known`: the attributes that there are,
    where that is known.

    Raises `PolicyError` with the file, the line and the remedy for each mistake.
    """
    if not text.strip():
        raise PolicyError(f"{file}: the file is empty; write settings as in `mql: {{enter: 70}}`, or leave it to `set`")
    try:
        root = Document(text, file).root
    except RulesError as refused:
        raise PolicyError(str(refused)) from None
    if not isinstance(root, MappingNode):
        raise PolicyError(f"{file}:{line_of(root)}: a policy is a mapping of settings, as in `mql: {{enter: 70}}`")
    body = merged(base.model_dump(mode="json"), _mapping(root, file))
    wrong = problems(body)
    if not wrong and known is not None:
        wrong = strangers(Policy.model_validate(body), known)
    if wrong:
        raise PolicyError("\n".join(f"{file}:{line_at(root, problem.place)}: {problem}" for problem in wrong))
    return Policy.model_validate(body)


def write(policy: Policy) -> str:
    """The whole policy as such a file."""
    return str(yaml.safe_dump(policy.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=110))


def _value(node: Node, file: str) -> Any:
    match node:
        case MappingNode():
            return _mapping(node, file)
        case SequenceNode():
            return [_value(item, file) for item in node.value]
    assert isinstance(node, ScalarNode)
    try:
        return yaml.safe_load(node.value) if node.tag in _PLAIN else node.value
    except (yaml.YAMLError, ValueError):
        return node.value


def _mapping(node: MappingNode, file: str) -> dict[str, Any]:
    """Names stay the text that they are: Norway is NO, and not a flag."""
    result: dict[str, Any] = {}
    for key, value in node.value:
        if not isinstance(key, ScalarNode):
            raise PolicyError(f"{file}:{line_of(key)}: a setting's name is plain text")
        if key.value in result:
            raise PolicyError(f"{file}:{line_of(key)}: {key.value} stands twice in the same place; keep one")
        result[key.value] = _value(value, file)
    return result
