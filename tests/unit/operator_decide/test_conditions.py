"""Conditions and the phase that follows from them."""

from __future__ import annotations

import pytest
from looks import NOW, conditions

from perdure_operator.decide.conditions import Type, accepted, in_phase, phase_of, warned
from perdure_operator.decide.observed import Problem
from perdure_operator.decide.types import Phase
from perdure_operator.model.status import Condition, JobStatus

WHY = Problem("Because", "so it is")


def put(status, phase, now=NOW, why=WHY):
    return in_phase(status, phase, why, now=now, generation=3)


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("before", [None, *Phase])
def test_the_phase_is_what_its_conditions_say(phase, before):
    why = Problem("Stopped", "") if phase is Phase.STOPPED else WHY
    status = JobStatus() if before is None else put(JobStatus(), before)
    status = put(status, phase, why=why)
    assert status.phase == phase_of(status.conditions) == phase
    assert (status.reason, status.message) == (why.reason, why.message)


def test_no_conditions_are_pending():
    assert phase_of([]) is Phase.PENDING


def test_the_time_of_a_condition_is_that_of_its_last_change():
    status = put(JobStatus(), Phase.PENDING)
    same = put(status, Phase.PENDING, now=NOW + 60, why=Problem("Another", ""))
    other = put(same, Phase.RUNNING, now=NOW + 120)
    times = [s.condition("Running").last_transition_time for s in (status, same, other)]
    assert times == ["2026-01-01T00:16:40Z", "2026-01-01T00:16:40Z", "2026-01-01T00:18:40Z"]
    assert other.condition("Suspended").last_transition_time == times[0]


def test_the_spec_that_was_seen_is_named():
    status = accepted(JobStatus(observed_generation=2), None, now=NOW, generation=3)
    assert status.observed_generation == 3
    assert status.condition("Accepted").observed_generation == 3
    refused = accepted(status, WHY, now=NOW, generation=4)
    assert conditions(refused) == {"Accepted": "False"}


def test_a_warning_is_there_only_while_it_holds():
    status = warned(JobStatus(), Type.NO_PROGRESS, WHY, now=NOW, generation=1)
    assert conditions(status) == {"NoProgress": "True"}
    assert warned(status, Type.NO_PROGRESS, None, now=NOW, generation=1).conditions == []


def test_what_others_have_put_there_stays():
    stranger = Condition(type="Admitted", status="True", reason="Queue")
    status = put(JobStatus(conditions=[stranger]), Phase.RUNNING)
    assert [c.type for c in status.conditions] == ["Running", "Suspended", "Succeeded", "Admitted"]
    assert status.conditions[-1] == stranger
