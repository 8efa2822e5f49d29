"""Exit codes are those of the design's table, and count only with a termination message of ours."""

from __future__ import annotations

import pytest

from perdure import errors
from perdure.contract.exits import Counted, ExitCode, Reason, counted_as


def test_codes():
    assert {code.name: int(code) for code in ExitCode} == {
        "FINISHED": 0,
        "STORE_UNREACHABLE": 69,
        "RESUME": 75,
        "DIVERGED": 76,
        "STOPPED": 77,
        "REFUSED": 78,
    }


@pytest.mark.parametrize(
    ("code", "with_message", "without"),
    [
        pytest.param(0, Counted.NOTHING, Counted.NOTHING, id="finished"),
        pytest.param(1, Counted.FAILURE, Counted.FAILURE, id="the program failed"),
        pytest.param(69, Counted.INFRASTRUCTURE, Counted.FAILURE, id="store unreachable"),
        pytest.param(75, Counted.PREEMPTION, Counted.FAILURE, id="resume"),
        pytest.param(76, Counted.DIVERGENCE, Counted.FAILURE, id="diverged"),
        pytest.param(77, Counted.NOTHING, Counted.FAILURE, id="stopped on request"),
        pytest.param(78, Counted.FAILURE, Counted.FAILURE, id="refused"),
        pytest.param(137, Counted.FAILURE, Counted.FAILURE, id="killed"),
        pytest.param(-9, Counted.FAILURE, Counted.FAILURE, id="by a signal"),
    ],
)
def test_counted_as(code, with_message, without):
    assert counted_as(code, has_message=True) is with_message
    assert counted_as(code, has_message=False) is without


@pytest.mark.parametrize(
    ("exit_class", "code", "reason"),
    [
        (errors.Refused, 78, Reason.REFUSED),
        (errors.StoreUnreachable, 69, Reason.STORE_UNREACHABLE),
        (errors.Fenced, 75, Reason.FENCED),
        (errors.Diverged, 76, Reason.DIVERGED),
    ],
)
def test_a_trainers_exit_has_its_code_and_escapes_except_exception(exit_class, code, reason):
    leaving = exit_class("the sentence")
    assert leaving.code == code
    assert not isinstance(leaving, Exception)
    ending = leaving.ending()
    assert (ending.code, ending.reason, ending.message) == (code, reason, "the sentence")


@pytest.mark.parametrize(
    ("saved", "said"), [(None, "nothing was trained that is not saved"), (7, "saved at step 7")]
)
def test_a_preempted_trainer_says_what_is_saved(saved, said):
    ending = errors.Preempted(saved).ending()
    assert (ending.code, ending.reason) == (75, Reason.PREEMPTED)
    assert said in ending.message
