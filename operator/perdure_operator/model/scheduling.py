"""Which nodes the pods are placed on, and with which neighbours; all in the job's own namespace."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from perdure_operator.model.base import (
    Count,
    Items,
    Labels,
    LabelValue,
    Positive,
    Strict,
    Text,
    Whole,
)
from perdure_operator.model.rules import at_most

Weight = Annotated[Positive, at_most(100)]


class Toleration(Strict):
    """A taint that the pods tolerate."""

    key: Text | None = None
    """The taint's key. Default: every key."""
    operator: Literal["Exists", "Equal"] | None = None
    """Whether the value has to be equal."""
    value: LabelValue | None = None
    """The taint's value."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """The taint's effect. Default: every effect."""
    toleration_seconds: Whole | None = None
    """For how long a NoExecute taint is tolerated."""


class SelectorRequirement(Strict):
    """What a label has to be."""

    key: Text
    """The label's key."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    """How the label relates to the values: In, NotIn, Exists or DoesNotExist."""
    values: Items[str] = []
    """The values."""


class LabelSelector(Strict):
    """Which objects, by their labels."""

    match_labels: Labels = {}
    """Labels that they have."""
    match_expressions: Items[SelectorRequirement] = []
    """What their labels have to be."""


class NodeRequirement(Strict):
    """What a label or field of a node has to be."""

    key: Text
    """The label's key."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]
    """How the label relates to the values: In, NotIn, Exists, DoesNotExist, Gt or Lt."""
    values: Items[str] = []
    """The values."""


class NodeSelectorTerm(Strict):
    """Requirements of which all have to be met."""

    match_expressions: Items[NodeRequirement] = []
    """By labels."""
    match_fields: Items[NodeRequirement] = []
    """By fields."""


class NodeSelector(Strict):
    """Terms of which one has to be met."""

    node_selector_terms: Items[NodeSelectorTerm]
    """The terms."""


class PreferredNodes(Strict):
    """Nodes that are preferred."""

    weight: Weight
    """How much, from 1 to 100."""
    preference: NodeSelectorTerm
    """Which nodes."""


_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


class NodeAffinity(Strict):
    """Which nodes the pods need or prefer."""

    required: Annotated[NodeSelector | None, Field(alias=_REQUIRED)] = None
    """Nodes that the pods need."""
    preferred: Annotated[Items[PreferredNodes], Field(alias=_PREFERRED)] = []
    """Nodes that the pods prefer."""


class PodAffinityTerm(Strict):
    """Pods of the job's namespace, and how near."""

    label_selector: LabelSelector | None = None
    """Which pods."""
    topology_key: Text
    """The node label whose value is the same for what is near."""


class PreferredPods(Strict):
    """Neighbours that are preferred."""

    weight: Weight
    """How much, from 1 to 100."""
    pod_affinity_term: PodAffinityTerm
    """Which pods, and how near."""


class PodAffinity(Strict):
    """Which neighbours the pods need or prefer, or avoid."""

    required: Annotated[Items[PodAffinityTerm], Field(alias=_REQUIRED)] = []
    """What has to be so."""
    preferred: Annotated[Items[PreferredPods], Field(alias=_PREFERRED)] = []
    """What is preferred."""


class Affinity(Strict):
    """Which nodes and neighbours the pods prefer or need."""

    node_affinity: NodeAffinity | None = None
    """Nodes."""
    pod_affinity: PodAffinity | None = None
    """Pods to be near."""
    pod_anti_affinity: PodAffinity | None = None
    """Pods to be apart from."""


class TopologySpreadConstraint(Strict):
    """How the pods are spread."""

    max_skew: Positive
    """By how many the numbers of pods may differ."""
    topology_key: Text
    """The node label whose values are spread over."""
    when_unsatisfiable: Literal["DoNotSchedule", "ScheduleAnyway"]
    """DoNotSchedule or ScheduleAnyway."""
    label_selector: LabelSelector | None = None
    """Which pods are counted."""
    min_domains: Count | None = None
    """How many values there have to be."""
    node_affinity_policy: Literal["Honor", "Ignore"] | None = None
    """Whether only nodes that fit the pods' affinity count."""
    node_taints_policy: Literal["Honor", "Ignore"] | None = None
    """Whether only nodes whose taints the pods tolerate count."""
