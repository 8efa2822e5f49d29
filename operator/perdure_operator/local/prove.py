"""Proving that disturbances changed nothing: the same job disturbed, undisturbed, compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from perdure.contract.proof import FINGERPRINTS
from perdure_operator.local.compare import difference, what_was_compared
from perdure_operator.local.disturbance import Disturbance
from perdure_operator.local.parting import callbacks_that_differ, parting
from perdure_operator.local.plan import Plan
from perdure_operator.local.results import Results, ResultsError, read_results
from perdure_operator.local.runner import Outcome
from perdure_operator.model.job import Callback

Run = Callable[[Plan, Sequence[Disturbance]], Outcome]
Read = Callable[[Plan], Results]


@dataclass(frozen=True)
class Proof:
    """The runs that were made, the disturbed one first, and what the comparison said."""

    runs: tuple[Outcome, ...]
    identical: bool
    verdict: str


def prove(
    plan: Plan,
    stamp: str,
    disturbances: Sequence[Disturbance],
    run: Run,
    read: Read = read_results,
) -> Proof:
    """Run `plan` disturbed and undisturbed, as runs of their own named by `stamp`, and compare.

    Both record fingerprints of their steps, to name the step at which they part.
    """
    plan = plan.adding(Callback(name=FINGERPRINTS))
    name = f"{plan.job.spec.run}-{stamp}"
    disturbed = run(plan.named(name), disturbances)
    if not disturbed.succeeded:
        return _nothing_to_compare(disturbed)
    undisturbed = run(plan.named(f"{name}-undisturbed"), ())
    if not undisturbed.succeeded:
        return _nothing_to_compare(disturbed, undisturbed)
    runs = (disturbed, undisturbed)
    try:
        ours, theirs = read(disturbed.plan), read(undisturbed.plan)
        differs = _difference(ours, theirs)
        if differs is None:
            return Proof(runs, True, _identical(disturbed, ours, theirs))
        proof = Proof(runs, False, f"not identical: {differs}")
        return _ask_again(proof, theirs, run, read)
    except ResultsError as error:
        return Proof(runs, False, str(error))


def _nothing_to_compare(*runs: Outcome) -> Proof:
    name = runs[-1].plan.job.spec.run
    return Proof(runs, False, f"nothing to compare: run {name} did not succeed")


def _difference(one: Results, other: Results) -> str | None:
    """The first difference of two results, the step at which their runs parted, and whose callbacks."""
    differs = difference(one, other)
    if differs is None:
        return None
    further = (parting(one, other), callbacks_that_differ(one, other))
    return "; ".join([differs, *filter(None, further)])


def _identical(disturbed: Outcome, ours: Results, theirs: Results) -> str:
    """Equal runs of which none was disturbed say less, and are not to look like more. The states of
    callbacks may hold times, so what differs in them is said and decides nothing.
    """
    callbacks = callbacks_that_differ(ours, theirs)
    sentence = f"identical: {what_was_compared(theirs)}" + (f"; {callbacks}" if callbacks else "")
    if any(attempt.disturbed for attempt in disturbed.attempts):
        return sentence
    return (
        f"{sentence}; but nothing was disturbed, so it shows only that the program repeats itself"
    )


def _ask_again(proof: Proof, undisturbed: Results, run: Run, read: Read) -> Proof:
    """A program that does not repeat itself undisturbed says nothing about the disturbances."""
    plan = proof.runs[-1].plan
    again = run(plan.named(f"{plan.job.spec.run}-again"), ())
    proof = replace(proof, runs=(*proof.runs, again))
    if not again.succeeded:
        return replace(proof, verdict=f"{proof.verdict}; the undisturbed run did not succeed again")
    repeated = _difference(undisturbed, read(again.plan))
    if repeated is None:
        return replace(proof, verdict=f"{proof.verdict}; two undisturbed runs are identical")
    return replace(proof, verdict=f"not repeatable even undisturbed: {repeated}")
