"""What a trainer is given: pure functions from a spec. No I/O.

The same environment in every attempt and on every kind of machine is what makes attempts equal.
"""

from perdure_operator.build.environment import Attempt, trainer_environment
from perdure_operator.build.expand import expand

__all__ = ["Attempt", "expand", "trainer_environment"]
