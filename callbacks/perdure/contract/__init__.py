"""What the trainer and everything that runs it must agree on.

Standard library only, no side effect on import: the operator, which has no TensorFlow, and the
library, which has no Kubernetes, both read the names from here and nowhere else.
"""
