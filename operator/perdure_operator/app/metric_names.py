"""The Prometheus metrics of the operator: name, kind and help, from which both the exporter and the
dashboards are made.

The metrics of one job are read from its status at each scrape: they are right after a restart, and
gone with the job. Their labels `namespace` and `training_job` are also what the scrape of a trainer
adds to the trainer's own metrics, so that the two can be joined.
"""

from __future__ import annotations

from perdure.contract.metric_names import TRAINING_JOB, MetricName

_JOB = ("namespace", TRAINING_JOB)

JOBS = MetricName("perdure_jobs", "gauge", "TrainingJobs by phase.", ("namespace", "phase"))
JOB_INFO = MetricName("perdure_job_info", "gauge", "Facts of the job.", (*_JOB, "run", "image"))
JOB_PHASE = MetricName(
    "perdure_job_phase",
    "gauge",
    "1 for the phase that the job is in, 0 for the others.",
    (*_JOB, "phase"),
)
JOB_STEP = MetricName("perdure_job_step", "gauge", "Train step that the run has reached.", _JOB)
JOB_PLANNED_STEPS = MetricName(
    "perdure_job_planned_steps", "gauge", "Train steps that the run will have, where known.", _JOB
)
JOB_ATTEMPT = MetricName("perdure_job_attempt", "gauge", "Newest attempt of the run, from 1.", _JOB)
JOB_RETRIES = MetricName(
    "perdure_job_retries_total",
    "counter",
    "Attempts that were followed by another one, by what ended them: preemption, infrastructure, "
    "failure or divergence.",
    (*_JOB, "kind"),
)
JOB_GOODPUT = MetricName(
    "perdure_job_goodput_ratio",
    "gauge",
    "Share of the job's time in which steps were trained.",
    _JOB,
)
JOB_CHECKPOINT_TIME = MetricName(
    "perdure_job_last_checkpoint_timestamp_seconds",
    "gauge",
    "When the last checkpoint was committed.",
    _JOB,
)
JOB_START_TIME = MetricName(
    "perdure_job_start_timestamp_seconds", "gauge", "When the first attempt was started.", _JOB
)
JOB_COMPLETION_TIME = MetricName(
    "perdure_job_completion_timestamp_seconds", "gauge", "When the run ended.", _JOB
)

RECONCILES = MetricName(
    "perdure_reconcile_total",
    "counter",
    "Reconciles by outcome: success, conflict (tried again) or error.",
    ("outcome",),
)
RECONCILE_DURATION = MetricName(
    "perdure_reconcile_duration_seconds", "histogram", "How long a reconcile took."
)
QUEUE_DEPTH = MetricName("perdure_queue_depth", "gauge", "Jobs that wait for a reconcile.")
API_REQUESTS = MetricName(
    "perdure_api_requests_total",
    "counter",
    "Requests to the API server by verb and answer.",
    ("verb", "code"),
)
REPLACEMENT_DURATION = MetricName(
    "perdure_replacement_seconds",
    "histogram",
    "From an attempt's pod seen gone to the next attempt created.",
)
BUILD_INFO = MetricName("perdure_build_info", "gauge", "The operator's version.", ("version",))

ALL = tuple(value for value in globals().values() if isinstance(value, MetricName))
