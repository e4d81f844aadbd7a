"""A policy as a YAML file that people keep: read with the line of everything that is wrong, and written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from worker.lifecycle.policy import Place, Policy, PolicyError, merged, problems
from worker.scoring.document import Document, RulesError

_PLAIN = {f"tag:yaml.org,2002:{name}" for name in ("int", "float", "bool", "null")}


def read(text: str, file: str, base: Policy) -> Policy:
    """`base` with what the file says otherwise; what it does not mention stays.

    Raises `PolicyError` with the file, the line and the remedy for each mistake.
    """
    if not text.strip():
        raise PolicyError(f"{file}: the file is empty; write settings as in `mql: {{enter: 70}}`, or leave it to `set`")
    try:
        root = Document(text, file).root
    except RulesError as refused:
        raise PolicyError(str(refused)) from None
    if not isinstance(root, MappingNode):
        raise PolicyError(f"{file}:{_line(root)}: a policy is a mapping of settings, as in `mql: {{enter: 70}}`")
    body = merged(base.model_dump(mode="json"), _mapping(root, file))
    if wrong := problems(body):
        raise PolicyError("\n".join(f"{file}:{_line(_at(root, problem.place))}: {problem}" for problem in wrong))
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
            raise PolicyError(f"{file}:{_line(key)}: a setting's name is plain text")
        if key.value in result:
            raise PolicyError(f"{file}:{_line(key)}: {key.value} stands twice in the same place; keep one")
        result[key.value] = _value(value, file)
    return result


def _at(node: Node, place: Place) -> Node:
    """The node that a place leads to, or the last one on the way that the file has."""
    here = node
    for name in place:
        found = _child(here, name)
        if found is None:
            break
        here = found
    return here


def _child(node: Node, name: str | int) -> Node | None:
    if isinstance(node, MappingNode):
        by_name: Mapping[str, tuple[Node, Node]] = {key.value: (key, value) for key, value in node.value}
        if str(name) in by_name:
            key, value = by_name[str(name)]
            # A mapping begins on the line after its name: what is wrong with all of it is said at the name.
            return value if isinstance(value, MappingNode | SequenceNode) else key
    if isinstance(node, SequenceNode) and isinstance(name, int) and name < len(node.value):
        item: Node = node.value[name]
        return item
    return None


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1
