"""What to do next: pure functions over what was observed and the time. No I/O, no clock.

One file per policy. The local runner and the operator carry out the same decisions.
"""

from perdure_operator.decide.next_attempt import decide
from perdure_operator.decide.types import AttemptEnd, Counters, Decision, Phase

__all__ = ["AttemptEnd", "Counters", "Decision", "Phase", "decide"]
