"""Two runs are identical only where everything that was compared is."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from perdure_operator.local.compare import difference, what_was_compared
from perdure_operator.local.results import Fit, Results, Row, Tensor

KERNEL = Tensor("model", 0, "dense/kernel", "float32", (2, 3), "k1")
BIAS = Tensor("model", 1, "dense/bias", "float32", (3,), "b1")
SLOT = Tensor("optimizer", 0, "iteration", "int64", (), "s1")
FIT = Fit(0, "d1", 20, {"loss": [0.5, 0.25], "val_loss": [0.75, "nan"]}, (KERNEL, BIAS, SLOT))
NOTHING = "default/digits/1 has no finished fit to compare"
RESULTS = Results("default/digits/1", True, (FIT,))


def other(**changes: object) -> Results:
    return replace(RESULTS, fits=(replace(FIT, **changes),))


@pytest.mark.parametrize(
    "same",
    [
        pytest.param(RESULTS, id="the same"),
        pytest.param(replace(RESULTS, job="default/digits/2"), id="another run"),
        pytest.param(
            other(tensors=(replace(KERNEL, path="dense_1/kernel"), BIAS, SLOT)), id="another name"
        ),
    ],
)
def test_identical(same):
    assert difference(RESULTS, same) is None


@pytest.mark.parametrize(
    ("results", "sentence"),
    [
        pytest.param(
            replace(RESULTS, fits=()),
            NOTHING,
            id="no fit",
        ),
        pytest.param(
            replace(RESULTS, finished=False),
            NOTHING,
            id="unfinished",
        ),
        pytest.param(
            replace(RESULTS, fits=(FIT, FIT)), "1 finished fit against 2", id="number of fits"
        ),
        pytest.param(
            other(steps=19),
            "fit 0 with 20 steps against fit 0 with 19 steps",
            id="steps",
        ),
        pytest.param(
            other(tensors=(KERNEL, replace(BIAS, digest="b2"), replace(SLOT, digest="s2"))),
            "fit 0, tensor model[1]: dense/bias float32[3] b1 against dense/bias float32[3] b2",
            id="digest of the first tensor that differs",
        ),
        pytest.param(
            other(tensors=(replace(KERNEL, dtype="float16"), BIAS, SLOT)),
            "fit 0, tensor model[0]: dense/kernel float32[2, 3] k1 against "
            "dense/kernel float16[2, 3] k1",
            id="dtype",
        ),
        pytest.param(
            other(tensors=(KERNEL, BIAS)),
            "fit 0, tensor optimizer[0]: iteration int64[] s1 against no tensor",
            id="missing tensor",
        ),
        pytest.param(
            other(history={"loss": [0.5, 0.26], "val_loss": [0.75, "nan"]}),
            "fit 0, History 'loss', epoch 1: 0.25 against 0.26",
            id="History",
        ),
        pytest.param(
            other(history={"loss": [0.5, 0.25]}),
            "fit 0, History 'val_loss', epoch 0: 0.75 against None",
            id="missing entry of the History",
        ),
        pytest.param(
            other(history={**FIT.history, "lr": [1]}),
            "fit 0, History 'lr', epoch 0: None against 1",
            id="further entry of the History",
        ),
        pytest.param(
            other(digest="d2"),
            "fit 0: digest d1 against d2, though every tensor and History entry is equal",
            id="whole",
        ),
    ],
)
def test_difference(results, sentence):
    assert difference(RESULTS, results) == sentence


def test_what_was_compared():
    assert what_was_compared(RESULTS) == "1 fit, 3 tensors, 4 History entries"


def test_results_are_parsed():
    tensors = [
        {
            "group": tensor.group,
            "index": tensor.index,
            "path": tensor.path,
            "dtype": tensor.dtype,
            "shape": list(tensor.shape),
            "digest": tensor.digest,
        }
        for tensor in FIT.tensors
    ]
    fit = {
        "fit": 0, "digest": "d1", "steps": 20, "history": FIT.history, "tensors": tensors,
        "callbacks": [], "fingerprints": None,
    }  # fmt: skip
    document = {"job": RESULTS.job, "finished": True, "fits": [fit]}
    assert Results.from_json(json.dumps(document)) == RESULTS
    fit["callbacks"] = [{"name": "Own", "values": {"seen": s}} for s in ("s1", "s2")]
    row = {"step": 3, "epoch": 1, "batch": 2, "digests": f"{1:016x}{2:016x}"}
    fit["fingerprints"] = {"paths": ["model kernel", "model bias"], "rows": [row]}
    recorded = replace(
        FIT,
        callbacks={("Own", 0, "seen"): "s1", ("Own", 1, "seen"): "s2"},
        paths=("model kernel", "model bias"),
        rows=(Row(3, 1, 2, (f"{1:016x}", f"{2:016x}")),),
    )
    assert Results.from_json(json.dumps(document)).fits == (recorded,)
