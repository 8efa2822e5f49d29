"""The attempt that this process is: settings, lineage, saver and status, made once.

`prepare` runs at `import perdure` in a managed process: it reads the lineage and fixes seed and
threads before TensorFlow starts. `begin` runs at the first `perdure.callbacks(...)`: it appends the
`start` record, which fences every earlier process.
"""

from __future__ import annotations

import math
import os
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from perdure import determinism, endings, inbox, server
from perdure.board import Board, say
from perdure.contract.environment import JOB, STORE, InvalidSetting
from perdure.contract.exits import ExitCode, Reason
from perdure.contract.prices import Prices
from perdure.contract.requests import Request
from perdure.contract.status import Ending, Kind
from perdure.control import Control
from perdure.determinism import Fixed
from perdure.errors import Fenced, Refused, Stopped, StoreUnreachable, TrainerExit
from perdure.interval import Interruptions, Interval, Progress, Schedule
from perdure.lineage.lineage import Lineage, Point, next_run
from perdure.lineage.log import WriterFenced
from perdure.lineage.records import Obeyed
from perdure.lineage.writer import CheckpointWriter
from perdure.saver import Saver
from perdure.settings import Settings, termination_log
from perdure.signals import Watcher
from perdure.store import (
    Meter,
    Store,
    StoreError,
    Unavailable,
    check,
    metered,
    open_store,
    until_deadline,
)

FINISHED = Ending(int(ExitCode.FINISHED), str(Reason.FINISHED))
HICCUP_SECONDS = 5.0  # for so long a save asks again; after that the saver tries with a newer state


class Exits:
    """As a context: what the store or the lineage fails with becomes the exit that stands for it, and
    every exit is noted before it ends the process.
    """

    def __init__(self, end: Callable[[Ending], Ending]) -> None:
        self._end = end

    def __enter__(self) -> None:
        """Nothing to prepare: the train loop comes by at every step."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Note and translate `error`; what a user's code raises passes as it is."""
        leaving = _exit_for(error)
        if leaving is not None:
            self._end(leaving.ending())
            if leaving is not error:
                raise leaving from error


def _exit_for(error: BaseException | None) -> TrainerExit | None:
    match error:
        case None | TrainerExit():
            return error
        case Unavailable():
            return StoreUnreachable(str(error))
        case WriterFenced():
            return Fenced(str(error))
        case StoreError() | InvalidSetting():
            return Refused(str(error))
    return None


class Attempt:
    """Everything of this process that is not inside a `fit`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.board = Board(str(settings.job), settings.attempt)
        self.exits = Exits(self.end)
        self.signals = Watcher(settings.grace_seconds, self.end)
        self.meter = Meter()
        self.saver: Saver | None = None
        self.schedule = Schedule(settings.every, Progress(time.monotonic()))
        self.versions = {"keras": "", "tensorflow": ""}
        self.has_begun = self.is_in_loop = False
        self.already_finished = False
        self._start: dict[str, Any] = {}
        self.steps = 0
        self._fits = 0
        self.result = FINISHED
        self._is_past_lineage = self._is_over = False
        self.control = Control(self.board)
        endings.watch(self)
        server.start(self)
        with self.exits:
            determinism.check_backend(os.environ)
            self._store = metered(_opened(settings.store), self.meter)
            self.store = until_deadline(self._store, settings.store_deadline_seconds)
            job = settings.job if settings.job_is_given else next_run(self.store, settings.job)
            self.board.set(job=str(job))
            self.lineage = Lineage(self.store, job, settings.attempt, self._damaged)
            self.fixed = self._fixed()
            self.writer = CheckpointWriter(self.lineage.log, settings.keep)
        inbox.watch(settings.request_file, self.control, self._stop)

    def _damaged(self, message: str) -> None:
        self.board.notice(Kind.CHECKPOINT_DAMAGED, message)

    def _fixed(self) -> Fixed:
        """The lineage's seed and threads; its first attempt decides them."""
        start = self.lineage.start
        known = Fixed(**start["fixed"]) if start else None
        seed = known.seed if known else secrets.randbelow(determinism.SEED_LIMIT)
        if not self.settings.managed:
            return known or Fixed(seed, threads=0)
        asked = Fixed.from_environ(os.environ, seed=seed)
        if known is not None and known != asked:
            changes = determinism.differences(_texts(known), _texts(asked))
            self.board.notice(
                Kind.ENVIRONMENT_CHANGED,
                f"this attempt was told other values than the lineage began with, which keeps its own "
                f"({'; '.join(changes)}); use a new spec.run to change them",
            )
        return known or asked

    @property
    def metrics_port(self) -> int:
        """Where status and metrics are served."""
        return self.settings.metrics_port

    @property
    def prices(self) -> Prices | None:
        """What the store charges, where that is known."""
        return self.settings.prices

    @property
    def interval(self) -> Interval | None:
        """The interval in force, where it is counted in seconds."""
        return self.schedule.interval

    @property
    def has_ended(self) -> bool:
        """Whether it is noted how the process ends."""
        return self.board.status().ending is not None

    @property
    def is_leaving(self) -> bool:
        """Whether the process was told to end, or is ending."""
        return self.signals.is_set or self.has_ended

    def prepare(self) -> None:
        """Fix what decides the bits, before the script builds its model and data."""
        for problem in determinism.fix(self.fixed):
            self.board.notice(Kind.ENVIRONMENT_CHANGED, problem)

    def begin(self) -> None:
        """Take over the lineage, or find that there is nothing to do."""
        self.has_begun = True
        program = determinism.program_fingerprint(os.environ)
        environment = determinism.environment_fingerprint()
        self._start = {
            "fixed": asdict(self.fixed), "program": program, "environment": environment,
            "keep": str(self.settings.keep),
        }  # fmt: skip
        self.versions = {name: environment[name] for name in self.versions}
        interruptions = self._interruptions()
        with self.exits:
            self._compare(program, environment)
            if self.already_finished:
                self.control.know(obeyed for _, obeyed in self.lineage.requests())
            else:
                self._take_over()
        self.board.set(starts=self.lineage.starts)
        every = self.settings.every
        self.saver = Saver(
            self.writer, self.board, self.meter, lambda: self.is_leaving,
            every.budget.bytes_per_hour if every.unit == "auto" else math.inf,
        )  # fmt: skip
        self.schedule = Schedule(self.settings.every, Progress(time.monotonic()), interruptions)

    def _interruptions(self) -> Interruptions:
        """Every process that has begun on the lineage so far was interrupted."""
        between = self.lineage.seconds_between_interruptions()
        count = self.lineage.starts if between is not None else 0
        return Interruptions(count, count * (between or 0.0))

    def _compare(self, program: dict[str, str], environment: dict[str, str]) -> None:
        start = self.lineage.start
        if start is None:
            return
        changed = "; ".join(determinism.differences(start["program"], program))
        if self.lineage.is_finished and not self.settings.continues:
            self._find_finished(changed)
        elif changed:
            self.board.notice(
                Kind.PROGRAM_CHANGED,
                f"the program is not the one that this lineage was trained with before, so the result "
                f"need not be that of an undisturbed run ({changed})",
            )
        moved = "; ".join(determinism.differences(start["environment"], environment))
        if moved:
            self.board.notice(
                Kind.ENVIRONMENT_CHANGED,
                f"this attempt runs elsewhere than the one before, so its bits may differ from an "
                f"undisturbed run's ({moved})",
            )

    def _find_finished(self, changed: str) -> None:
        job = self.board.status().job
        if changed:
            raise Refused(
                f"{job} has finished, and its program has changed since ({changed}). Expected: a new "
                f"run (spec.run, PERDURE_JOB), or spec.continue: true (PERDURE_CONTINUE) to train on."
            )
        self.already_finished = True
        say(f"{job} has finished already and the program is the same: nothing is trained")

    def _take_over(self) -> None:
        """Claim the lineage and rely on what is there; the store is waited for longer than for a save."""
        self.lineage.log.write_store = self.store
        self._claim()
        self.lineage.adopt_all(self.writer)
        self.control.know(obeyed for _, obeyed in self.lineage.requests())
        self.lineage.log.write_store = until_deadline(self._store, HICCUP_SECONDS)

    def _claim(self) -> None:
        checked = check(self.store, f"{self.lineage.log.prefix}/probe")
        if not checked.honours_condition:
            self.board.notice(
                Kind.CONDITIONAL_WRITES_IGNORED,
                "the store ignores If-None-Match, so an older process of this lineage cannot be kept "
                "from writing: make sure that there is only one",
            )
        if checked.keeps_versions:
            self.board.notice(
                Kind.OLD_VERSIONS_KEPT,
                "the bucket keeps a version of every object that is deleted, and bills it: give it the "
                "lifecycle rule perdure-old-versions (docs/checkpoints.md, Versioned buckets)",
            )
        self.lineage.claim(self._start, continues=self.settings.continues)

    def next_fit(self) -> int:
        """The number of the `fit` that begins, from 0."""
        self._fits += 1
        self.result = FINISHED
        return self._fits - 1

    def point_for(self, fit: int) -> Point | None:
        """Where fit number `fit` goes on from; None once one of them has not ended in the lineage."""
        if self._is_past_lineage:
            return None
        point = self.lineage.point_for(fit)
        if self.already_finished and not _is_end(point):
            say("the program has a fit that the finished lineage has not: it is trained")
            self.already_finished = False
            self._take_over()
            self.board.set(starts=self.lineage.starts)
            point = self.lineage.point_for(fit)  # as it is now that nobody else may write
        self.lineage.abandon_damaged(self.writer)
        self._is_past_lineage = not _is_end(point)
        return point

    def _stop(self, request: Request) -> None:
        """End the process, once it has a lineage to put on record that `request` was obeyed."""
        saver = self.saver
        if saver is None or self.already_finished or self._is_over:
            return
        seconds = self.settings.store_deadline_seconds

        def stopped(saved: int | None) -> TrainerExit:
            with self.exits:
                self.lineage.log.write_store = self.store  # nothing comes later that tries again
                saver.note(Obeyed(request.id, request.verb, request.arguments, None), seconds)
            self.board.obeyed(request.id)
            return Stopped(request.id, saved)

        self.signals.stop(stopped, seconds)

    def finish(self) -> None:
        """The program has ended well: close the lineage."""
        self._is_over = True
        trained = self.has_begun and bool(self.lineage.log.index.finals)
        digest = self.lineage.result_digest() if trained else None
        if trained and not self.already_finished and self.saver is not None:
            self.lineage.log.write_store = self.store
            self.writer.finish(digest)
            self.saver.finish_cleaning()
        reason = Reason.ALREADY_FINISHED if self.already_finished else self.result.reason
        self.end(replace(self.result, reason=reason, digest=digest))

    def end(self, ending: Ending) -> Ending:
        """Write the ending where it is looked for; the first one counts, and is returned."""
        if self.board.end(ending) and ending.code != ExitCode.FINISHED:
            say_ending(ending)
        write_termination_message(self.settings.termination_log, self.board)
        return self.board.status().ending or ending


def _is_end(point: Point | None) -> bool:
    return point is not None and point.is_final


def _opened(url: str) -> Store:
    try:
        return open_store(url)
    except InvalidSetting:
        raise
    except ValueError as error:
        raise InvalidSetting(f"{STORE}: {error}") from error


def say_ending(ending: Ending) -> None:
    """Tell the person who reads the log why the process ends."""
    say(f"{ending.reason} (exit code {int(ending.code)}): {ending.message}")


def write_termination_message(path: Path | None, board: Board) -> None:
    """Leave the status where the container's termination message is read."""
    if path is not None:
        path.write_text(board.status().to_termination_message())


def _texts(fixed: Fixed) -> dict[str, str]:
    return {name: str(value) for name, value in asdict(fixed).items()}


_lock = threading.Lock()
_current: Attempt | None = None


def current() -> Attempt:
    """The attempt of this process, opened at first use."""
    global _current  # noqa: PLW0603 - a process is one attempt
    with _lock:
        if _current is None:
            _current = Attempt(_settings())
        return _current


def begun() -> Attempt:
    """The attempt of this process with its lineage taken over."""
    attempt = current()
    if not attempt.has_begun:
        attempt.begin()
    return attempt


def _settings() -> Settings:
    try:
        return Settings.from_environ(os.environ)
    except InvalidSetting as error:
        refused = Refused(str(error))
        board = Board(os.environ.get(JOB, ""), attempt=0)
        board.end(refused.ending())
        say_ending(refused.ending())
        write_termination_message(termination_log(os.environ), board)
        raise refused from error
