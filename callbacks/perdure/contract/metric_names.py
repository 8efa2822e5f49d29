"""The Prometheus metrics of a trainer: name, kind and help, from which both the exporter and the
dashboards are made. Labels that say which job and pod come from the scrape, not from the process.
"""

from __future__ import annotations

from typing import NamedTuple

TRAINING_JOB = "training_job"
"""The label that the scrape adds from the pod's label perdure.dev/job."""


class MetricName(NamedTuple):
    """A metric family."""

    name: str
    kind: str
    help: str
    labels: tuple[str, ...] = ()


STEPS = MetricName("perdure_train_steps_total", "counter", "Train steps computed by this attempt.")
REPLAYED = MetricName(
    "perdure_train_replayed_steps_total", "counter", "Train steps whose data was replayed."
)
STEP = MetricName("perdure_train_step", "gauge", "Train step of the lineage that was reached.")
EPOCH = MetricName("perdure_train_epoch", "gauge", "Epoch that is being trained, from 0.")
VALUE = MetricName(
    "perdure_train_value", "gauge", "Newest value of each entry of the training log.", ("metric",)
)
LEARNING_RATE = MetricName("perdure_train_learning_rate", "gauge", "Learning rate in force.")
LAST_STEP_TIME = MetricName(
    "perdure_train_last_step_timestamp_seconds", "gauge", "When the newest step ended."
)
ACTIVITY_SECONDS = MetricName(
    "perdure_train_activity_seconds_total",
    "counter",
    "Seconds of this attempt by activity.",
    ("activity",),
)
CHECKPOINTS = MetricName(
    "perdure_checkpoints_total", "counter", "Checkpoints committed by this attempt."
)
CHECKPOINT_FAILURES = MetricName(
    "perdure_checkpoint_failures_total", "counter", "Saves that did not commit."
)
CHECKPOINT_STEP = MetricName(
    "perdure_checkpoint_step", "gauge", "Step of the last committed checkpoint."
)
CHECKPOINT_TIME = MetricName(
    "perdure_checkpoint_timestamp_seconds", "gauge", "When the last checkpoint was committed."
)
CHECKPOINT_BYTES = MetricName(
    "perdure_checkpoint_bytes", "gauge", "Size of the last committed checkpoint."
)
CHECKPOINT_SENT = MetricName(
    "perdure_checkpoint_sent_bytes_total", "counter", "Bytes of committed chunks sent to the store."
)
CHECKPOINT_DEDUPLICATED = MetricName(
    "perdure_checkpoint_deduplicated_bytes_total",
    "counter",
    "Bytes of checkpoints that the store had already.",
)
CHECKPOINT_BLOCKED = MetricName(
    "perdure_checkpoint_blocked_seconds_total",
    "counter",
    "Seconds that the train loop waited for saves.",
)
CHECKPOINT_EXCESS = MetricName(
    "perdure_checkpoint_excess_seconds_total",
    "counter",
    "Seconds that the steps right after a snapshot took longer than usual.",
)
CHECKPOINT_SLOWED = MetricName(
    "perdure_checkpoint_slowed_seconds_total",
    "counter",
    "Seconds that further steps took longer than usual while a save was under way.",
)
CHECKPOINT_DURATION = MetricName(
    "perdure_checkpoint_duration_seconds",
    "gauge",
    "How long the last save took, in the background.",
)
CHECKPOINT_INTERVAL = MetricName(
    "perdure_checkpoint_interval_seconds",
    "gauge",
    "Seconds from save to save and what decided them; absent where steps or epochs are counted.",
    ("bound",),
)
STORE_REQUESTS = MetricName(
    "perdure_checkpoint_requests_total",
    "counter",
    "Requests to the store by kind, those that failed included.",
    ("kind",),
)
STORE_SENT = MetricName(
    "perdure_checkpoint_store_sent_bytes_total",
    "counter",
    "Bytes that requests to the store carried, those that failed included.",
)
STORE_RECEIVED = MetricName(
    "perdure_checkpoint_store_received_bytes_total", "counter", "Bytes received from the store."
)
STORE_PRICE = MetricName(
    "perdure_checkpoint_price_total",
    "counter",
    "Price of the requests and of the bytes sent, in the currency of the prices that were set.",
)
UNCOMMITTED_SINCE = MetricName(
    "perdure_checkpoint_failing_since_timestamp_seconds",
    "gauge",
    "Since when saves have failed; 0 while they succeed.",
)
INFO = MetricName(
    "perdure_train_info",
    "gauge",
    "Facts of the attempt.",
    ("lineage", "attempt", "keras", "tensorflow"),
)

ALL = tuple(value for value in globals().values() if isinstance(value, MetricName))
