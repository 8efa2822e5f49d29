"""`perdure run` from its options to its exit code, with real processes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.timeout(60)

SHORT = {"STEPS": "100", "EVERY": "10"}
ASKS_TO_STOP = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
LONG = {"STEPS": "100000", "EVERY": "10"}


def lines(result) -> list[str]:
    """The lines of a run with what changes between machines made equal."""
    text = re.sub(r"\d+\.\d s", "N s", result.stdout)
    return re.sub(r"(after|at step) \d+", r"\1 N", text).splitlines()


def test_undisturbed(run_job):
    result = run_job(env=SHORT)
    assert result.exit_code == 0, result.output
    assert lines(result)[:4] == [
        "job fake, run 1",
        "attempt 1 started",
        "attempt 1 exited with 0 (Finished) after N s",
        "Succeeded: Finished",
    ]
    assert "steps: 100 trained and 0 replayed in 1 attempt" in result.stdout
    assert "checkpoints: 10 committed, the last at step 100" in result.stdout
    assert "logs: .perdure/logs/default/fake/1" in result.stdout


def test_disturbances_in_the_order_given(run_job, folder):
    result = run_job(
        "--kill-after=15 steps",
        "--preempt-after",
        "15steps",
        "--kill-after",
        "15 steps",
        env={**SHORT, "STEPS": "600"},  # long enough to be caught in time on a busy machine
    )
    assert result.exit_code == 0, result.output
    ended = re.findall(r"(?m)^attempt (\d) (exited with \d+|was ended by \w+)", result.stdout)
    assert ended == [
        ("1", "was ended by SIGKILL"),
        ("2", "exited with 75"),
        ("3", "was ended by SIGKILL"),
        ("4", "exited with 0"),
    ]
    for attempt in (2, 3, 4):
        assert f"attempt {attempt} resumed at step " in result.stdout
        assert (folder / f".perdure/logs/default/fake/1/attempt-{attempt}.log").exists()
    assert "not fired" not in result.stdout


def test_disturbances_that_never_fire_are_said(run_job):
    result = run_job("--kill-after", "5000 steps", "--preempt-after", "1s", env=SHORT)
    assert result.exit_code == 0
    assert "not fired: --kill-after 5000 steps, attempt 1 ended before" in result.stdout
    assert "not fired: --preempt-after 1s, no attempt was left for it" in result.stdout


def test_seconds_count_from_training(run_job):
    result = run_job("--preempt-after", "0.1s", env=LONG, retries={"preemptions": 0})
    assert result.exit_code == 1
    assert "Failed: TooManyPreemptions" in result.stdout


def test_trainer_that_does_not_go_is_killed_when_its_grace_is_over(run_job):
    result = run_job(
        "--preempt-after",
        "5 steps",
        env={**LONG, "DEAF": "1"},
        terminationGracePeriodSeconds=1,
        retries={"preemptions": 0},
    )
    assert "attempt 1 was ended by SIGKILL" in result.stdout
    assert "Failed: TooManyPreemptions" in result.stdout


def test_failures_show_the_log_and_use_their_budget(run_job):
    result = run_job(env={**SHORT, "FAIL_AT": "15"}, retries={"failures": 1})
    assert result.exit_code == 1
    assert result.stdout.count("| RuntimeError: the fault asked for") == 2
    assert "counted as failure; attempt 2 starts in 1 s" in result.stdout
    assert "Failed: TooManyFailures, 2 attempts failed; spec.retries.failures is 1" in result.stdout


def test_deadline(run_job):
    result = run_job(env=LONG, activeDeadlineSeconds=1)
    assert result.exit_code == 1
    assert "attempt 1 exited with 75 (Preempted)" in result.stdout
    assert "Failed: DeadlineExceeded, spec.activeDeadlineSeconds, 1, are over" in result.stdout


def test_program_without_perdure(run_job):
    result = run_job(command=["python", "-c", "print('hello')"])
    assert result.exit_code == 0
    assert "Expected perdure.callbacks(...) among the callbacks of fit" in result.stdout


def test_suspended_job_is_not_run(run_job, folder):
    result = run_job(suspend=True)
    assert (result.exit_code, result.stdout) == (
        1,
        "spec.suspend is true: nothing is run. Set it to false to run the job.\n",
    )
    assert not (folder / ".perdure").exists()


def test_fields_of_a_cluster_are_said_once(run_job):
    resources = {"limits": {"nvidia.com/gpu": 1, "cpu": 1}}
    result = run_job(env=SHORT, image="digits:1", nodeSelector={"pool": "gpu"}, resources=resources)
    assert lines(result)[0] == (
        "not used on this machine: spec.image, spec.nodeSelector, spec.resources (nvidia.com/gpu)"
    )


def test_amount_that_cannot_be_parsed(run_job):
    result = run_job("--kill-after", "soon")
    assert result.exit_code == 2
    assert "Received: 'soon'" in result.stderr


@pytest.fixture
def started(write_manifest, folder):
    """`perdure run` of a job without end, as a process; its trainer is training."""
    write_manifest({**LONG, "MARK": str(folder)})
    command = "from perdure_operator.cli import run; run()"
    arguments = [sys.executable, "-c", command, "job.yaml"]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    try:
        wait_until((folder / ".perdure/default/fake/1/state.json").exists)
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_until(condition) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until, "it did not come to pass in 20 s"
        time.sleep(0.02)


def trainers_in(folder) -> list[str]:
    """The processes that run in `folder`."""
    found = []
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{pid}/cwd") == str(folder) and int(pid) != os.getpid():
                found.append(pid)
        except OSError:
            continue
    return found


@pytest.mark.parametrize("number", ASKS_TO_STOP, ids=lambda number: number.name)
def test_interrupted_runner_lets_its_trainer_save(started, number):
    started.send_signal(number)
    output, _ = started.communicate(timeout=20)
    assert started.returncode == 77
    assert "stopping: attempt 1 has 30 s to save; once more kills it" in output
    assert "attempt 1 exited with 75 (Preempted)" in output
    assert "the same command goes on from the last checkpoint" in output


def test_second_interrupt_kills(started, folder):
    started.send_signal(signal.SIGINT)
    started.send_signal(signal.SIGTERM)
    started.communicate(timeout=20)
    assert started.returncode == 77
    assert not trainers_in(folder)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_killed_runner_leaves_no_orphan(started, folder):
    assert len(trainers_in(folder)) == 2
    started.kill()
    started.wait()
    wait_until(lambda: not trainers_in(folder))


def test_attempts_are_numbered_on(run_job):
    assert run_job(env=SHORT).exit_code == 0
    assert "attempt 2 resumed at step 100" in run_job(env=SHORT).stdout
