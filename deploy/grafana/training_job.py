"""The dashboard of one job: curves, interruptions, checkpoints."""

from __future__ import annotations

from grafana.jobs import JOB_UID
from grafana.model import (
    Json,
    Query,
    Row,
    annotation,
    dashboard,
    stacked,
    stat,
    timeseries,
    variable,
)
from grafana.phases import PHASE_COLOURS
from grafana.promql import by, increase, of, rate

from perdure.contract import metric_names as trainer
from perdure.contract.metric_names import TRAINING_JOB, MetricName
from perdure_operator.app import metric_names as operator

THIS = ('namespace="$namespace"', f'{TRAINING_JOB}="$job"')
LOSSES = of(trainer.VALUE, *THIS, 'metric=~".*loss"')
OTHERS = of(trainer.VALUE, *THIS, 'metric!~".*loss|learning_rate"')
RUNNING = of(operator.JOB_PHASE, *THIS, 'phase="Running"') + " == 1"


def build() -> Json:
    """The dashboard."""
    info = operator.JOB_INFO.name
    return dashboard(
        JOB_UID,
        "Perdure training job",
        "One TrainingJob over all its attempts: what it learns, what interrupts it, what it has saved.",
        variables=[
            variable("namespace", "Namespace", f"label_values({info}, namespace)"),
            variable(
                "job", "Job", f'label_values({info}{{namespace="$namespace"}}, {TRAINING_JOB})'
            ),
        ],
        annotations=[
            annotation(
                "New attempts", f"changes({this(operator.JOB_ATTEMPT)}[1m]) > 0", "New attempt"
            )
        ],
        rows=(standing(), training(), interruptions(), checkpoints()),
    )


def this(metric: MetricName, *matchers: str) -> str:
    """A selector of `metric` of this job."""
    return of(metric, *THIS, *matchers)


def newest(metric: MetricName) -> str:
    """The greatest value of the job's pods: while one goes and the next comes, there are two."""
    return f"max({this(metric)})"


def standing() -> Row:
    """Where the job stands, by the operator: also when no trainer runs."""
    retries = f"sum({this(operator.JOB_RETRIES)})"
    return Row(
        "Where it stands",
        (
            stat(
                "Phase",
                "The phase of the TrainingJob.",
                "none",
                Query(f"{by('phase', this(operator.JOB_PHASE))} == 1", "{{phase}}"),
                text="name",
                overrides=PHASE_COLOURS,
            ),
            stat(
                "Step",
                "Train step that the run has reached.",
                "none",
                Query(newest(operator.JOB_STEP)),
            ),
            stat(
                "Progress",
                "Share of the planned steps that is done; empty where their number is not known.",
                "percentunit",
                Query(f"{newest(operator.JOB_STEP)} / {newest(operator.JOB_PLANNED_STEPS)}"),
            ),
            stat(
                "Attempt", "Newest attempt of the run.", "none", Query(newest(operator.JOB_ATTEMPT))
            ),
            stat("Retries", "How often training was started again.", "none", Query(retries)),
            stat(
                "Goodput",
                "Share of the job's time in which steps were trained.",
                "percentunit",
                Query(newest(operator.JOB_GOODPUT)),
            ),
        ),
    )


def training() -> Row:
    """What the job learns, and how fast."""
    return Row(
        "Training",
        (
            timeseries(
                "Loss",
                "Newest losses of the training log, of training and of validation.",
                "none",
                Query(f"max by (metric) ({LOSSES})", "{{metric}}"),
            ),
            timeseries(
                "Other metrics",
                "Newest values of everything else in the training log.",
                "none",
                Query(
                    f"max by (metric) ({OTHERS})",
                    "{{metric}}",
                ),
            ),
            timeseries(
                "Learning rate",
                "Learning rate in force.",
                "none",
                Query(newest(trainer.LEARNING_RATE), "learning rate"),
            ),
            timeseries(
                "Steps reached and saved",
                "Train step that was reached; it falls back where steps since the last checkpoint were lost.",
                "none",
                Query(newest(trainer.STEP), "reached"),
                Query(newest(trainer.CHECKPOINT_STEP), "saved"),
            ),
            timeseries(
                "Steps per second",
                "Steps that were trained, and steps whose data was only read again after a resume.",
                "ops",
                Query(f"sum({rate(trainer.STEPS, *THIS)})", "trained"),
                Query(f"sum({rate(trainer.REPLAYED, *THIS)})", "replayed"),
            ),
            stacked(
                "Time by activity",
                "What the trainer's time goes into.",
                "percentunit",
                Query(by("activity", rate(trainer.ACTIVITY_SECONDS, *THIS)), "{{activity}}"),
                defaults={"min": 0},
            ),
        ),
    )


def interruptions() -> Row:
    """What ended attempts."""
    return Row(
        "Interruptions",
        (
            timeseries(
                "Retries by kind",
                "How often training was started again, by what had ended it.",
                "short",
                Query(by("kind", increase(operator.JOB_RETRIES, *THIS)), "{{kind}}"),
            ),
            timeseries(
                "Attempt over time",
                "Newest attempt of the run.",
                "none",
                Query(newest(operator.JOB_ATTEMPT), "attempt"),
            ),
            timeseries(
                "Time since the last step",
                "How long ago the newest step of a running trainer ended.",
                "s",
                Query(f"time() - ({newest(trainer.LAST_STEP_TIME)} > 0)", "since the last step"),
            ),
        ),
    )


def checkpoints() -> Row:
    """What was saved, and what that costs."""
    return Row(
        "Checkpoints",
        (
            timeseries(
                "Age of the last checkpoint",
                "Time since the last commit while the job runs: what a kill without notice costs.",
                "s",
                Query(
                    f"time() - max({this(operator.JOB_CHECKPOINT_TIME)}"
                    f" and on (namespace, {TRAINING_JOB}) {RUNNING})",
                    "age",
                ),
            ),
            timeseries(
                "Duration of a save",
                "How long the last save took in the background.",
                "s",
                Query(newest(trainer.CHECKPOINT_DURATION), "duration"),
            ),
            timeseries(
                "Interval",
                "Time from save to save, and what decides it.",
                "s",
                Query(f"max by (bound) ({this(trainer.CHECKPOINT_INTERVAL)})", "{{bound}}"),
            ),
            stacked(
                "Time taken from training",
                "Share of the time that saves take: the train loop waits, or steps take longer.",
                "percentunit",
                Query(f"sum({rate(trainer.CHECKPOINT_BLOCKED, *THIS)})", "blocked"),
                Query(f"sum({rate(trainer.CHECKPOINT_EXCESS, *THIS)})", "step after a snapshot"),
                Query(f"sum({rate(trainer.CHECKPOINT_SLOWED, *THIS)})", "further steps"),
                defaults={"min": 0},
            ),
            timeseries(
                "Size",
                "Size of the last committed checkpoint.",
                "bytes",
                Query(newest(trainer.CHECKPOINT_BYTES), "size"),
            ),
            timeseries(
                "Sent to the store",
                "Bytes per second of committed checkpoints, of what the store had already, of all requests.",
                "Bps",
                Query(f"sum({rate(trainer.CHECKPOINT_SENT, *THIS)})", "sent"),
                Query(f"sum({rate(trainer.CHECKPOINT_DEDUPLICATED, *THIS)})", "not sent again"),
                Query(f"sum({rate(trainer.STORE_SENT, *THIS)})", "with what failed"),
            ),
            timeseries(
                "Requests to the store",
                "Requests per second by kind, those that failed included.",
                "reqps",
                Query(by("kind", rate(trainer.STORE_REQUESTS, *THIS)), "{{kind}}"),
            ),
            timeseries(
                "Price per hour",
                "What requests and bytes cost in an hour, where the prices are set.",
                "none",
                Query(f"3600 * sum({rate(trainer.STORE_PRICE, *THIS)})", "price"),
            ),
            timeseries(
                "Saves",
                "Checkpoints that were committed, and saves that were not.",
                "short",
                Query(f"sum({increase(trainer.CHECKPOINTS, *THIS)})", "committed"),
                Query(f"sum({increase(trainer.CHECKPOINT_FAILURES, *THIS)})", "failed"),
            ),
        ),
    )
