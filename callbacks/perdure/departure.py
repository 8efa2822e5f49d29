"""What to save when the process is told to go: decided from how long each would take. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from perdure.contract.status import Leaving

ASSUMED_SECONDS = 1.0
UNLIKE = 1.5


@dataclass(frozen=True)
class Speed:
    """How long saves take: a fixed time, and the bytes sent at a rate, which is None where saves that
    sent more took no longer.
    """

    fixed_seconds: float = ASSUMED_SECONDS
    bytes_per_second: float | None = None

    def seconds_for(self, sent: float) -> float:
        """The expected seconds of a save that sends so many bytes."""
        return self.fixed_seconds + (sent / self.bytes_per_second if self.bytes_per_second else 0.0)


def speed_of(saves: Sequence[tuple[int, float]]) -> Speed:
    """The speed of the newest saves, of each the bytes sent and the seconds.

    The fixed time can be told from the rate where one sent much more than another; if it took no longer
    all is fixed. Where they are alike all is taken for the rate, since the next one is then alike too;
    where nothing was sent, for fixed.
    """
    if not saves:
        return Speed()
    (less, quicker), (more, longer) = min(saves), max(saves)
    is_unlike = more > UNLIKE * less
    if is_unlike and longer > quicker:
        rate = (more - less) / (longer - quicker)
        return Speed(max(0.0, quicker - less / rate), rate)
    sent, seconds = (sum(column) for column in zip(*saves, strict=True))
    if is_unlike or sent == 0 or seconds == 0:
        return Speed(seconds / len(saves), None)
    return Speed(0.0, sent / seconds)


@dataclass(frozen=True)
class Situation:
    """What the decision rests on.

    `left_seconds` are those of the grace, less a margin. `remaining_seconds` is what the save under way
    still needs, None where there is none; `save_seconds` what one more would take. `can_save` is the
    state that could be saved (fresh from the model, or held while validation changes it), None where
    no step would be lost without, or the train loop is inside a long call and nothing is held.
    `must_try` holds where nothing is committed at all, or nobody kills the process.
    """

    left_seconds: float
    remaining_seconds: float | None
    save_seconds: float
    can_save: Leaving | None
    is_unsaved: bool
    must_try: bool


@dataclass(frozen=True)
class Decision:
    """What is done, and how many seconds that is expected to take."""

    leaving: Leaving
    expected_seconds: float


def decide(now: Situation) -> Decision:
    """Finish what is under way, then save the newest state if that fits; of nothing, try all the same."""
    under_way = now.remaining_seconds or 0.0
    with_save = under_way + now.save_seconds
    if now.can_save is not None and with_save <= now.left_seconds:
        return Decision(now.can_save, with_save)
    if now.remaining_seconds is not None:
        return Decision(Leaving.FINISH_SAVE, under_way)
    if not now.is_unsaved:
        return Decision(Leaving.NOTHING_TO_SAVE, 0.0)
    if now.can_save is not None and now.must_try:
        return Decision(Leaving.TRY_ANYWAY, with_save)
    return Decision(Leaving.KEEP_COMMITTED, 0.0)
