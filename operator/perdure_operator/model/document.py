"""A YAML document as Kubernetes understands it: JSON's types, each key once.

YAML itself takes the last of two equal keys silently, knows dates and sets, and lets an alias
contain itself; each is refused here with its line.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

_TAGS = frozenset(
    f"tag:yaml.org,2002:{name}"
    for name in ["map", "seq", "str", "int", "float", "bool", "null", "merge"]
)
_NOT_IN_JSON = frozenset({".nan", ".inf", "+.inf", "-.inf"})


class _Loader(yaml.SafeLoader):
    """The safe loader without dates: Kubernetes reads `2026-01-01` as a string."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class DocumentError(ValueError):
    """The text cannot be read as one YAML document; the message is a sentence."""


def read(text: str) -> tuple[Any, list[str]]:
    """Read the one document of `text`: its value, and a sentence for each thing that is amiss.

    Raises:
        DocumentError: the text is not YAML, not one document, or of types that JSON does not have.
    """
    try:
        return _read(text)
    except RecursionError:
        raise DocumentError(
            "expected lists and mappings within each other as a person writes them. "
            "Received: more levels than can be read."
        ) from None


def _read(text: str) -> tuple[Any, list[str]]:
    node = _one_node(text)
    problems = list(_problems(node, "", set(), set()))
    try:
        return _construct(node), problems
    except yaml.YAMLError as error:
        raise DocumentError("\n".join(problems) or _sentence(error)) from error


def _one_node(text: str) -> yaml.Node:
    try:
        nodes = [node for node in yaml.compose_all(text, Loader=_Loader) if not _is_empty(node)]
    except yaml.YAMLError as error:
        raise DocumentError(_sentence(error)) from error
    if len(nodes) != 1:
        received = f"{len(nodes)} documents, separated by '---'" if nodes else "nothing"
        raise DocumentError(f"expected one TrainingJob. Received: {received}.")
    return nodes[0]


def _is_empty(node: yaml.Node | None) -> bool:
    return node is None or (isinstance(node, yaml.ScalarNode) and node.tag.endswith(":null"))


def _sentence(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    return f"not YAML{where}: {getattr(error, 'problem', None) or error}."


def _construct(node: yaml.Node) -> Any:
    loader = _Loader("")
    try:
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _problems(node: yaml.Node, path: str, above: set[int], seen: set[int]) -> Iterator[str]:
    """Each node once (aliases share nodes); `above` are the nodes that contain this one."""
    where, line = path or "the manifest", node.start_mark.line + 1
    if id(node) in above:
        raise DocumentError(f"{where}: expected no alias that contains itself (line {line}).")
    if id(node) in seen:
        return
    seen.add(id(node))
    if node.tag not in _TAGS:
        raise DocumentError(
            f"{where}: expected one of JSON's types. Received: {node.tag!r} (line {line})."
        )
    if isinstance(node, yaml.ScalarNode) and _is_not_in_json(node):
        yield f"{where}: expected a finite number. Received: {node.value} (line {line})."
    for child_path, child in _children(node, path):
        yield from _problems(child, child_path, above | {id(node)}, seen)
    if isinstance(node, yaml.MappingNode):
        yield from _key_problems(node, path)


def _is_not_in_json(node: yaml.ScalarNode) -> bool:
    return node.tag.endswith(":float") and node.value.lower() in _NOT_IN_JSON


def _children(node: yaml.Node, path: str) -> Iterator[tuple[str, yaml.Node]]:
    if isinstance(node, yaml.SequenceNode):
        yield from ((f"{path}[{index}]", child) for index, child in enumerate(node.value))
    if isinstance(node, yaml.MappingNode):
        yield from ((_join(path, key.value), child) for key, child in node.value)


def _key_problems(node: yaml.MappingNode, path: str) -> Iterator[str]:
    lines: dict[str, int] = {}
    for key, _ in node.value:
        name, line = str(key.value), key.start_mark.line + 1
        if not key.tag.endswith((":str", ":merge")):
            yield (
                f"{path or 'the manifest'}: expected strings as keys. "
                f"Received: {name} (line {line}). Quote it."
            )
        elif name in lines:
            yield (
                f"{_join(path, name)}: expected once. "
                f"Received: twice (lines {lines[name]} and {line}). Remove one."
            )
        lines.setdefault(name, line)


def _join(path: str, name: object) -> str:
    return f"{path}.{name}" if path else str(name)
