"""Kinds of models and loops: noticed and killed at random steps, and the result is the undisturbed one."""

from __future__ import annotations

import random
import signal
from pathlib import Path

import pytest
from trainers import Job, Nursery, first_difference

SEED = 20261122
ALWAYS = [
    "mirrored",
    "mirrored+unknown_length",
    "sequential_unbuilt+fit_of_another_model",
    "sequential_unbuilt+fit_of_the_same_model",
]
MODELS = [
    "sequential_built",
    "functional",
    "subclassed",
    "gan",
    "rnn_stateful",
    "augmented",
    "seed_generators",
    "batch_norm_with_ema",
    "mixed_precision",
    "gradient_accumulation",
    "learning_rate_schedule",
    "steps_per_execution",
    "compiled_by_xla",
    "not_compiled_by_xla",
    "run_eagerly",
    "on_one_device",
]
LOOPS = [
    "arrays",
    "partial_last_batch",
    "class_weight",
    "sample_weight",
    "endless",
    "endless_validation",
    "augmented_in_the_pipeline",
    "unknown_length",
    "validation_split",
    "validation_freq",
    "initial_epoch",
    "index_first",
    "one_source_per_epoch",
    "freezing",
    "frozen_at_first",
]
MIRRORED = ["class_weight", "endless", "index_first", "one_source_per_epoch"]
OTHERS = [
    *MODELS,
    *(f"sequential_unbuilt+{loop}" for loop in LOOPS),
    *(f"mirrored+{loop}" for loop in MIRRORED),
]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A sample by recorded seed, or all cases."""
    if "case" in metafunc.fixturenames:
        count = int(metafunc.config.getoption("--zoo")) or len(OTHERS)
        sample = random.Random(SEED).sample(OTHERS, min(count, len(OTHERS)))
        metafunc.parametrize("case", [*ALWAYS, *sample])


def _said(job: Job) -> list[str]:
    """What the script saw of its model before, during and after training."""
    lines = job.attempts[-1].output.splitlines()
    return [line for line in lines if line.startswith(("before", "history", "after"))]


def _calls(job: Job) -> int:
    """How often the train function was called."""
    (line,) = (line for line in job.attempts[-1].output.splitlines() if line.startswith("calls"))
    return int(line.removeprefix("calls"))


@pytest.mark.slow
def test_told_to_go_in_a_fit_inside_of_a_fit(nursery: Nursery, tmp_path: Path) -> None:
    """It leaves at once, with the last step of the outer fit's epoch; killed, it runs that hook again."""
    case = "sequential_unbuilt+fit_of_the_same_model"
    undisturbed = Job(nursery, tmp_path, "zoo.py", [case], run="undisturbed")
    undisturbed.finish()
    job = Job(nursery, tmp_path, "zoo.py", [case], run="inside")
    for number, code in ((signal.SIGTERM, 75), (signal.SIGKILL, -signal.SIGKILL)):
        ended = job.attempt(INSIDE_AFTER="1", INSIDE_SIGNAL=str(int(number)))
        assert ended.code == code, ended.output
    job.finish()
    assert first_difference(undisturbed.results(), job.results()) is None
    assert _said(job) == _said(undisturbed)
    assert "saved at step 6;" in job.attempts[0].ending.message


@pytest.mark.slow
def test_case(nursery: Nursery, tmp_path: Path, case: str) -> None:
    undisturbed = Job(nursery, tmp_path, "zoo.py", [case], run="undisturbed")
    undisturbed.finish()
    draw, calls = random.Random(f"{SEED} {case}"), _calls(undisturbed)
    noticed = draw.randint(1, calls - 2)
    killed = draw.randint(1, calls - noticed - 1)
    job = Job(nursery, tmp_path, "zoo.py", [case], run="disturbed")
    job.kill(signal.SIGTERM, after=noticed)
    job.kill(signal.SIGKILL, after=killed, also={"PERDURE_EVERY": "1 steps"})
    job.finish()
    assert first_difference(undisturbed.results(), job.results()) is None
    assert _said(job) == _said(undisturbed)
