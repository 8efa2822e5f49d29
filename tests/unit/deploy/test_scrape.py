"""Prometheus finds operator and trainers, and gives their series the labels that the dashboards ask for."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
import yaml
from rendering import ROOT

from perdure.contract import metric_names as trainer
from perdure.contract.labels import JOB_LABEL
from perdure_operator.app import metric_names as operator

CONFIG = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
OPERATOR, TRAINERS = CONFIG["scrape_configs"]
POD_MONITOR = yaml.safe_load((ROOT / "deploy/prometheus/pod-monitor.yaml").read_text())
SERVICE_MONITOR = yaml.safe_load((ROOT / "deploy/prometheus/service-monitor.yaml").read_text())
SERVICE = yaml.safe_load((ROOT / "deploy/prometheus/service.yaml").read_text())
DEPLOYMENT = yaml.safe_load((ROOT / "deploy/operator/deployment.yaml").read_text())
POD_LABELS = DEPLOYMENT["spec"]["template"]["metadata"]["labels"]


def meta(label: str) -> str:
    """What Prometheus' service discovery calls a label of a pod."""
    return "__meta_kubernetes_pod_label_" + re.sub(r"\W", "_", label)


def kept(job):
    """Source labels and their values of the rule that selects targets."""
    (rule,) = [rule for rule in job["relabel_configs"] if rule.get("action") == "keep"]
    return dict(zip(rule["source_labels"], rule["regex"].split(";"), strict=True))


def test_both_ways_name_the_job_by_the_same_label():
    (endpoint,) = POD_MONITOR["spec"]["podMetricsEndpoints"]
    assert endpoint["relabelings"] == [
        {"sourceLabels": [meta(JOB_LABEL)], "targetLabel": trainer.TRAINING_JOB}
    ]
    rule = {"source_labels": [meta(JOB_LABEL)], "target_label": trainer.TRAINING_JOB}
    assert rule in TRAINERS["relabel_configs"]


def test_both_ways_select_the_same_trainers():
    (endpoint,) = POD_MONITOR["spec"]["podMetricsEndpoints"]
    labels = POD_MONITOR["spec"]["selector"]["matchLabels"]
    expected = {meta(label): value for label, value in labels.items()}
    port = {"__meta_kubernetes_pod_container_port_name": endpoint["port"]}
    assert kept(TRAINERS) == expected | port


def test_both_ways_select_the_operator():
    selector = SERVICE["spec"]["selector"]
    assert selector.items() <= POD_LABELS.items()
    assert (
        SERVICE_MONITOR["spec"]["selector"]["matchLabels"].items()
        <= SERVICE["metadata"]["labels"].items()
    )
    ours = kept(OPERATOR)
    assert ours.pop("__meta_kubernetes_pod_container_port_name") == "metrics"
    assert ours.items() <= {meta(label): value for label, value in POD_LABELS.items()}.items()
    (port,) = DEPLOYMENT["spec"]["template"]["spec"]["containers"][0]["ports"]
    assert port["name"] == SERVICE["spec"]["ports"][0]["targetPort"] == "metrics"


def test_the_namespace_of_a_job_wins_over_the_operators():
    assert OPERATOR["honor_labels"] is True
    assert SERVICE_MONITOR["spec"]["endpoints"][0]["honorLabels"] is True
    assert any("namespace" in metric.labels for metric in operator.ALL)


def test_no_label_of_a_trainer_is_hidden_by_its_target():
    """Prometheus would rename it to exported_..."""
    target = {"job", "instance", "namespace", "pod", "container", "endpoint", trainer.TRAINING_JOB}
    assert target.isdisjoint(label for metric in trainer.ALL for label in metric.labels)


def test_operator_metrics_of_a_job_can_be_joined_with_a_trainers():
    for metric in operator.ALL:
        if metric.name.startswith("perdure_job_"):
            assert metric.labels[:2] == ("namespace", trainer.TRAINING_JOB), metric.name


def promtool(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool checks metrics and queries: install Prometheus (Debian: prometheus)")
    return subprocess.run(
        [program, *arguments], input=text, capture_output=True, text=True, check=False
    )


def test_the_scrape_configuration_is_prometheus_own(tmp_path):
    """Debian's build of Prometheus has no service discovery for Kubernetes; the rest is checked."""
    for job in CONFIG["scrape_configs"]:
        assert {"role": "pod"} in job["kubernetes_sd_configs"]
    without = [
        {key: value for key, value in job.items() if key != "kubernetes_sd_configs"}
        for job in CONFIG["scrape_configs"]
    ]
    path = tmp_path / "prometheus.yml"
    path.write_text(yaml.safe_dump({"scrape_configs": without}))
    run = promtool("check", "config", str(path))
    assert run.returncode == 0, run.stderr + run.stdout


@pytest.mark.parametrize("metric", [*operator.ALL, *trainer.ALL], ids=lambda metric: metric.name)
def test_names_keep_prometheus_rules(metric):
    series = {
        "histogram": f'{metric.name}_bucket{{le="+Inf"}} 0\n{metric.name}_sum 0\n{metric.name}_count'
    }
    lines = [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}"]
    text = "\n".join([*lines, f"{series.get(metric.kind, metric.name)} 0\n"])
    run = promtool("check", "metrics", text=text)
    assert (run.returncode, run.stdout + run.stderr) == (0, "")
