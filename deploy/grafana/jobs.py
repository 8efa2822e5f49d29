"""The dashboard of all jobs: phases, interruptions, the operator's health."""

from __future__ import annotations

from grafana.model import Json, Panel, Query, Row, dashboard, stacked, stat, timeseries, variable
from grafana.phases import PHASE_COLOURS
from grafana.promql import by, increase, of, quantile, rate

from perdure.contract.metric_names import TRAINING_JOB
from perdure_operator.app import metric_names as names

UID = "perdure-jobs"
JOB_UID = "perdure-training-job"

HERE = 'namespace=~"$namespace"'
EACH_JOB = f"{{{{namespace}}}}/{{{{{TRAINING_JOB}}}}}"
IS_RUNNING = of(names.JOB_PHASE, HERE, 'phase="Running"') + " == 1"
RUNNING = f"and on (namespace, {TRAINING_JOB}) {IS_RUNNING}"
EACH = f"namespace, {TRAINING_JOB}, phase"
UNFINISHED = of(names.JOB_PHASE, HERE, 'phase!="Succeeded"')


def build() -> Json:
    """The dashboard."""
    return dashboard(
        UID,
        "Perdure jobs",
        "All TrainingJobs: where they stand, what interrupts them, and how the operator is.",
        variables=[
            variable(
                "namespace",
                "Namespace",
                f"label_values({names.JOBS.name}, namespace)",
                several=True,
            )
        ],
        rows=(jobs(), interruptions(), operator()),
    )


def jobs() -> Row:
    """Where the jobs stand."""
    phases = by("phase", of(names.JOBS, HERE))
    return Row(
        "Jobs",
        (
            stat(
                "Jobs by phase",
                "How many TrainingJobs are in each phase now.",
                "short",
                Query(phases, "{{phase}}"),
                width=12,
                text="value_and_name",
                overrides=PHASE_COLOURS,
            ),
            stat(
                "Attempts now",
                "Attempts of all jobs that run: more than jobs means that some were started again.",
                "short",
                Query(f"sum({of(names.JOB_ATTEMPT, HERE)} {RUNNING})"),
            ),
            stat(
                "Goodput",
                "Mean share of the jobs' time in which steps were trained, over the jobs that run.",
                "percentunit",
                Query(f"avg({of(names.JOB_GOODPUT, HERE)} {RUNNING})"),
            ),
            stat(
                "Operator",
                "Version of the operator that answers; nothing where none does.",
                "none",
                Query(by("version", of(names.BUILD_INFO)), "{{version}}"),
                text="name",
            ),
            stacked(
                "Jobs by phase over time",
                "How many TrainingJobs were in each phase.",
                "short",
                Query(phases, "{{phase}}"),
                width=12,
                overrides=PHASE_COLOURS,
            ),
            job_table(),
        ),
    )


def job_table() -> Panel:
    """The jobs that have not ended, each with a link to its own dashboard."""
    link = (
        f"/d/{JOB_UID}?${{__url_time_range}}&var-datasource=${{datasource}}"
        f"&var-namespace=${{__data.fields.namespace}}&var-job=${{__value.raw}}"
    )
    return Panel(
        "Jobs that have not succeeded",
        "Every TrainingJob that is not in the phase Succeeded; its name leads to its dashboard.",
        "none",
        (Query(f"{by(EACH, UNFINISHED)} == 1", instant=True),),
        kind="table",
        width=12,
        overrides=(
            {
                "matcher": {"id": "byName", "options": TRAINING_JOB},
                "properties": [
                    {"id": "displayName", "value": "job"},
                    {"id": "links", "value": [{"title": "Open ${__value.raw}", "url": link}]},
                ],
            },
        ),
        transformations=(
            {"id": "organize", "options": {"excludeByName": {"Time": True, "Value": True}}},
        ),
    )


def interruptions() -> Row:
    """What ends attempts, and what that costs."""
    return Row(
        "Interruptions",
        (
            timeseries(
                "Retries by kind",
                "Attempts that were followed by another one, by what had ended them.",
                "short",
                Query(by("kind", increase(names.JOB_RETRIES, HERE)), "{{kind}}"),
            ),
            timeseries(
                "Time to replace",
                "From an attempt's pod seen gone to the next attempt created.",
                "s",
                Query(quantile(0.5, names.REPLACEMENT_DURATION), "median"),
                Query(quantile(0.95, names.REPLACEMENT_DURATION), "95 %"),
            ),
            timeseries(
                "Oldest checkpoints",
                "Time since the last committed checkpoint of running jobs: what a kill without notice costs.",
                "s",
                Query(
                    f"topk(10, time() - ({of(names.JOB_CHECKPOINT_TIME, HERE)} {RUNNING}))",
                    EACH_JOB,
                ),
            ),
        ),
    )


def operator() -> Row:
    """Whether the operator keeps up."""
    return Row(
        "Operator",
        (
            timeseries(
                "Reconciles",
                "Reconciles per second by outcome; an error is tried again after a back-off.",
                "ops",
                Query(by("outcome", rate(names.RECONCILES)), "{{outcome}}"),
                width=6,
            ),
            timeseries(
                "Duration of a reconcile",
                "From a job's turn to its children and status written.",
                "s",
                Query(quantile(0.5, names.RECONCILE_DURATION), "median"),
                Query(quantile(0.95, names.RECONCILE_DURATION), "95 %"),
                width=6,
            ),
            timeseries(
                "Queue",
                "Jobs that wait for a reconcile; growth without end means that the operator cannot keep up.",
                "short",
                Query(f"sum({of(names.QUEUE_DEPTH)})", "waiting"),
                width=6,
            ),
            timeseries(
                "Requests to the API server",
                "Requests per second by verb and answer.",
                "reqps",
                Query(by("verb, code", rate(names.API_REQUESTS)), "{{verb}} {{code}}"),
                width=6,
            ),
        ),
    )
