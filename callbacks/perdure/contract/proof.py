"""What a run that is to be compared with another one records beside its result."""

from __future__ import annotations

FINGERPRINTS = "perdure.fingerprints:Fingerprints"
"""The callback of a manifest that records which tensors had which values after which step."""

DIGITS = 16
"""Hex digits of a tensor's digest there: two tensors that differ are not taken for equal by chance."""
