"""Writes what is made from something else: the CustomResourceDefinition, the editors' schema, dashboards, the
chart's copies and table of values, the tables of metrics in docs/operations.md and of callbacks in
docs/callbacks.md. A test compares. `python deploy/generate.py`
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml
from grafana import jobs, training_job

from perdure.contract import keras_callbacks
from perdure.contract import metric_names as trainer
from perdure.contract.callback_arguments import Argument
from perdure.contract.keras_callbacks import KerasCallback
from perdure.contract.metric_names import MetricName
from perdure_operator.app import metric_names as operator
from perdure_operator.build import crd
from perdure_operator.build.editor_schema import editor_schema

ROOT = Path(__file__).parents[1]
CHART = ROOT / "helm/perdure"
CRD = ROOT / "deploy/crds/trainingjobs.yaml"
SCHEMA = ROOT / "deploy/schemas/trainingjob.json"
DASHBOARDS = {"jobs.json": jobs.build, "training-job.json": training_job.build}


def generated() -> dict[Path, str]:
    """Every generated file and what it holds."""
    operations, readme = ROOT / "docs/operations.md", CHART / "README.md"
    page = ROOT / "docs/callbacks.md"
    files = {
        operations: between(operations.read_text(), "metrics", "\n".join(metrics())),
        readme: between(readme.read_text(), "values", "\n".join(values())),
        page: between(page.read_text(), "callbacks", "\n".join(callbacks())),
        SCHEMA: json.dumps(editor_schema(), indent=1) + "\n",
        CRD: crd.manifest(),
        CHART / "files/trainingjobs.yaml": crd.manifest(),
    }
    for name, build in DASHBOARDS.items():
        text = json.dumps(build(), indent=2) + "\n"
        files |= {ROOT / "deploy/grafana" / name: text, CHART / "dashboards" / name: text}
    return files


def between(text: str, name: str, content: str) -> str:
    """`text` with `content` between the two comments called `name`."""
    begin, end = f"<!-- {name}:begin -->\n", f"\n<!-- {name}:end -->"
    if begin not in text or end not in text:
        raise SystemExit(
            f"expected the comments {begin.strip()} and {end.strip()}, received neither or one"
        )
    return text.split(begin, maxsplit=1)[0] + begin + content + end + text.split(end, maxsplit=1)[1]


def metrics() -> Iterator[str]:
    """The table of metrics."""
    yield "| metric | kind | labels | meaning |"
    yield "|---|---|---|---|"
    yield from map(metric_row, (*operator.ALL, *trainer.ALL))


def metric_row(metric: MetricName) -> str:
    """A metric's row of the table."""
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| `{metric.name}` | {metric.kind} | {labels} | {metric.help} |"


def callbacks() -> Iterator[str]:
    """The table of Keras' callbacks, and below it their arguments."""
    yield "| callback | state kept | files | from the manifest | notes |"
    yield "|---|---|---|---|---|"
    yield from map(callback_row, keras_callbacks.ALL)
    yield ""
    yield "| callback | arguments and their defaults |"
    yield "|---|---|"
    for callback in keras_callbacks.ALL:
        if callback.arguments:
            yield f"| `{callback.name}` | {', '.join(map(argument_cell, callback.arguments))} |"


def callback_row(callback: KerasCallback) -> str:
    """A callback's row of the table."""
    named = f"no: {callback.refusal}" if callback.refusal else "yes"
    since = f" (Keras {callback.since})" if callback.since else ""
    cells = (callback.state or "none", callback.files or "none", named, callback.notes)
    return f"| `{callback.name}`{since} | {' | '.join(cells)} |"


def argument_cell(argument: Argument) -> str:
    """An argument with its default."""
    since = f" (Keras {argument.since})" if argument.since else ""
    if argument.is_required:
        return f"**`{argument.name}`**{since}"
    return f"`{argument.name}: {json.dumps(argument.default)}`{since}"


def values() -> Iterator[str]:
    """The table of the chart's values."""
    text = (CHART / "values.yaml").read_text()
    defaults = yaml.safe_load(text)
    yield "| value | meaning | default |"
    yield "|---|---|---|"
    for path, meaning in described(text.splitlines()):
        yield f"| `{'.'.join(path)}` | {meaning} | `{json.dumps(at(defaults, path))}` |"


def described(lines: Iterable[str]) -> Iterator[tuple[list[str], str]]:
    """The path of each value that a comment `# -- ...` stands above, and the comment."""
    path: list[str] = []
    meaning = ""
    for line in lines:
        if comment := re.match(r" *# -- (.*)", line):
            meaning = comment[1]
        elif key := re.match(r"((?:  )*)(\w+):", line):
            path[len(key[1]) // 2 :] = [key[2]]
            if meaning:
                yield list(path), meaning
            meaning = ""


def at(document: Any, path: Iterable[str]) -> Any:
    """The value at `path`."""
    for key in path:
        document = document[key]
    return document


def main() -> None:
    """Write them."""
    for path, content in generated().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)


if __name__ == "__main__":
    main()
