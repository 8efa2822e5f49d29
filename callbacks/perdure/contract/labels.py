"""Label and annotation keys on Kubernetes objects, and the fixed names of the API."""

from __future__ import annotations

GROUP = "perdure.dev"
VERSION = "v1alpha1"
KIND = "TrainingJob"
PLURAL = "trainingjobs"
API_VERSION = f"{GROUP}/{VERSION}"
CONTAINER = "trainer"

JOB_LABEL = f"{GROUP}/job"
ATTEMPT_LABEL = f"{GROUP}/attempt"
RUN_LABEL = f"{GROUP}/run"
SPEC_ANNOTATION = f"{GROUP}/spec"
"""On a Job: the digest of what the spec said of its pod."""
