"""What must hold in every world, whoever did what: checked after each of its steps."""

from __future__ import annotations

from perdure_operator.cluster.resources import JOBS, PODS, TRAINING_JOBS
from small_world.api_server import ApiServer, Raw

TERMINAL = {"Succeeded", "Failed", "Stopped"}
KINDS = ("preemption", "infrastructure", "failure", "divergence", "total")


class Rules:
    """Reads the API's history once, as it grows."""

    def __init__(self, api: ApiServer) -> None:
        self._api = api
        self._read = 0
        self._status: Raw = {}

    def check(self) -> None:
        history = self._api.history[TRAINING_JOBS]
        for _, job in history[self._read :]:
            after = job.get("status", {})
            if after != self._status:
                check_status(self._status, after)
                self._status = after
        self._read = len(history)
        check_trainers(self._api)


def check_status(before: Raw, after: Raw) -> None:
    """What no two statuses that follow each other may show."""
    assert after["observedGeneration"] >= before.get("observedGeneration", 0)
    assert after["attempt"] >= before.get("attempt", 0)
    assert after["endedAttempt"] >= before.get("endedAttempt", 0)
    assert after["endedAttempt"] <= after["attempt"]
    check_phase(after)
    if before.get("run") != after.get("run"):
        return
    if before.get("phase") in TERMINAL:
        assert after["phase"] == before["phase"], "a terminal phase stays terminal"
        assert after["retries"] == before["retries"]
    for kind in KINDS:
        assert after["retries"][kind] >= before.get("retries", {}).get(kind, 0), kind
    check_counted(before, after)


def check_counted(before: Raw, after: Raw) -> None:
    """Retries grow by the one attempt that ended, or by the pods that a newer one has replaced."""
    more = after["retries"]["total"] - before.get("retries", {}).get("total", 0)
    if after["endedAttempt"] > before.get("endedAttempt", 0):
        assert more <= 1, (before, after)
    elif after.get("trainer") == before.get("trainer"):
        assert more == 0, (before, after)


def check_phase(status: Raw) -> None:
    """The phase is what the conditions say, and running is who has a trainer."""
    values = {c["type"]: c["status"] for c in status["conditions"]}
    expected = {
        "Running": ("True", "False", "Unknown"),
        "Pending": ("False", "False", "Unknown"),
        "Suspended": ("False", "True", "Unknown"),
        "Succeeded": ("False", "False", "True"),
        "Failed": ("False", "False", "False"),
        "Stopped": ("False", "False", "False"),
    }[status["phase"]]
    assert tuple(values[kind] for kind in ("Running", "Suspended", "Succeeded")) == expected
    assert ("completionTime" in status) == (status["phase"] in TERMINAL)


def check_trainers(api: ApiServer) -> None:
    """At most one trainer that nobody has told to go: the others' Jobs are suspended or gone."""
    going_on = {
        job["metadata"]["uid"]
        for job in api.objects[JOBS].values()
        if not job["spec"].get("suspend", False)
    }
    staying = [
        pod
        for pod in api.objects[PODS].values()
        if pod["status"]["phase"] == "Running"
        and "deletionTimestamp" not in pod["metadata"]
        and pod["metadata"]["ownerReferences"][0]["uid"] in going_on
    ]
    assert len(staying) <= 1, [pod["metadata"]["name"] for pod in staying]
