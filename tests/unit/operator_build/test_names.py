"""Names and labels of the children."""

from __future__ import annotations

import re

import pytest

from perdure_operator.build.names import child_labels, job_name

DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@pytest.mark.parametrize(
    "name", ["digits", "a", "x" * 45, "x" * 46, "x" * 63, "x" * 35 + "-" + "y" * 27]
)
@pytest.mark.parametrize("attempt", [1, 99_999])
def test_a_pods_name_fits(name, attempt):
    pod = f"{job_name(name, attempt)}-9999-abcde"
    assert DNS_LABEL.fullmatch(pod), pod


def test_short_names_stay():
    assert job_name("x" * 45, 12) == "x" * 45 + "-12"


def test_long_names_are_told_apart():
    names = [job_name("x" * 60 + end, 1) for end in ("a", "b")]
    assert names[0] != names[1]
    assert names[0] == job_name("x" * 60 + "a", 1)


def test_no_two_attempts_of_two_jobs_have_one_name():
    pairs = [(name, n) for name in ("a", "a-1", "a-1-1") for n in (1, 11, 111)]
    assert len({job_name(*pair) for pair in pairs}) == len(pairs)


def test_labels():
    assert child_labels("digits", "2", 3) == {
        "app.kubernetes.io/name": "trainer",
        "app.kubernetes.io/managed-by": "perdure",
        "perdure.dev/job": "digits",
        "perdure.dev/run": "2",
        "perdure.dev/attempt": "3",
    }
