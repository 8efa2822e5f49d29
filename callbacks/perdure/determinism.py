"""What Perdure fixes so that two runs give the same bits, and a record of what it cannot fix.

A managed run (one that the runner or the operator started) has its seed, thread counts and flags
fixed before TensorFlow starts. A script started by hand keeps its own, and a difference between
its attempts is said.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perdure.contract import environment
from perdure.contract.environment import InvalidSetting
from perdure.lineage.digest import digest

SEED_LIMIT = 2**31
HASH_SEED = "PYTHONHASHSEED"  # decides the order of sets of strings
UNSET = "unset"
SHOWN = 12  # characters of a digest: enough to tell programs apart, few enough to read


@dataclass(frozen=True)
class Fixed:
    """What a managed run fixes; kept in the lineage, whose first attempt decides."""

    seed: int
    threads: int

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], *, seed: int) -> Fixed:
        """The values that the runner asks for; `seed` where it asks for none."""
        seed = environment.whole_number(environ, environment.SEED, seed)
        if seed >= SEED_LIMIT:
            raise InvalidSetting(
                f"{environment.SEED}: expected a number below 2**31. Received: {seed}."
            )
        default = environment.DEFAULT_THREADS
        return cls(seed, environment.whole_number(environ, environment.THREADS, default, least=1))


def check_backend(environ: Mapping[str, str]) -> None:
    """Refuse another backend before Keras, whose import takes seconds, is imported."""
    backend = environ.get("KERAS_BACKEND") or "tensorflow"
    if backend != "tensorflow":
        raise InvalidSetting(
            f"KERAS_BACKEND: expected 'tensorflow', the only backend that Perdure resumes exactly. "
            f"Received: {backend!r}."
        )


FLAGS = {"TF_DETERMINISTIC_OPS": "1", "TF_ENABLE_ONEDNN_OPTS": "1"}


def set_flags(environ: dict[str, str]) -> None:
    """Set the flags that TensorFlow reads once, at its import; a user's own setting stays."""
    for name, value in FLAGS.items():
        environ.setdefault(name, value)


def fix(fixed: Fixed) -> list[str]:
    """Set seed and thread counts; returns what could not be set any more, each a sentence."""
    problems = []
    if "tensorflow" in sys.modules and any(name not in os.environ for name in FLAGS):
        problems.append(
            "TensorFlow was imported before perdure, so its determinism flags were not set by "
            "Perdure; put `import perdure` first in the script"
        )
    set_flags(os.environ)  # type: ignore[arg-type]
    import keras
    import tensorflow as tf

    try:
        tf.config.threading.set_intra_op_parallelism_threads(fixed.threads)
        tf.config.threading.set_inter_op_parallelism_threads(fixed.threads)
    except RuntimeError:
        problems.append(
            f"TensorFlow had started before perdure was imported, so its threads were not set to "
            f"{fixed.threads}; put `import perdure` first in the script"
        )
    if os.environ["TF_DETERMINISTIC_OPS"] == "1":
        tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(fixed.seed)
    return problems


def environment_fingerprint() -> dict[str, str]:
    """What decides the bits beside the program: versions, CPU and GPU model, threads and flags."""
    import keras
    import numpy as np
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    return {
        "python": platform.python_version(),
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
        "numpy": np.__version__,
        "cpu": _cpu_model(),
        "gpu": ", ".join(_gpu_name(gpu) for gpu in gpus) or "none",
        "intra-op threads": _threads(tf.config.threading.get_intra_op_parallelism_threads()),
        "inter-op threads": _threads(tf.config.threading.get_inter_op_parallelism_threads()),
        **{name: os.environ.get(name, UNSET) for name in (*FLAGS, HASH_SEED)},
    }


def _threads(count: int) -> str:
    return str(count) if count else f"{len(os.sched_getaffinity(0))} (of the machine)"


def _gpu_name(gpu: Any) -> str:
    import tensorflow as tf

    return str(tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name))


def _cpu_model() -> str:
    """The processor's name: kernels are chosen by what it can do."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def program_fingerprint(environ: Mapping[str, str]) -> dict[str, str]:
    """What the program is: the runner's digest of image, command and env, and the script's own text."""
    script = Path(sys.argv[0]) if sys.argv and sys.argv[0] else None
    text = script.read_bytes() if script is not None and script.is_file() else b""
    return {
        "image, command and env": environ.get(environment.PROGRAM, "")[:SHOWN],
        "script": digest(text)[:SHOWN] if text else "",
    }


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """What changed between two fingerprints, each as `name: before -> now`."""
    pairs = {n: (before.get(n, UNSET), now.get(n, UNSET)) for n in {**before, **now}}
    return [f"{name}: {was} -> {is_}" for name, (was, is_) in pairs.items() if was != is_]
