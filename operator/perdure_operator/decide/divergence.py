"""What follows when training diverged."""

from __future__ import annotations

from decimal import Decimal

from perdure_operator.decide.types import Counters
from perdure_operator.model.retries import Divergence, DivergenceAction


def may_roll_back(counters: Counters, policy: Divergence) -> bool:
    """Whether the divergence that was just counted is followed by a roll-back."""
    return policy.action is DivergenceAction.ROLLBACK and counters.divergence <= policy.times


def learning_rate_factor(counters: Counters, policy: Divergence) -> str:
    """The factor in force, a string as in status: the policy's, once for each divergence so far."""
    if policy.action is not DivergenceAction.ROLLBACK:
        return "1"
    return format((Decimal(policy.learning_rate_factor) ** counters.divergence).normalize(), "f")
