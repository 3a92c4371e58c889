"""Kubernetes objects, held to their types: an unknown field, a missing one or a wrong type is an error with its path.

Core types are walked along the Kubernetes client's own models (generated from the API). The rest is written down here
as far as this repository uses it: SeldonDeployment from Seldon Core's operator/apis/…/v1/seldondeployment_types.go at
v1.17.1 with the checks of its admission webhook, InferenceService from KServe's v1beta1 API.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import kubernetes.client
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator


class Strict(BaseModel):
    """No field that is not declared, no value of another type."""

    model_config = ConfigDict(extra="forbid", strict=True)


def core(kind: str) -> Any:
    """A field of a core type, such as ``V1PodSpec``."""

    def check(value: Any) -> Any:
        if faults := list(_faults(value, kind, "")):
            raise ValueError("; ".join(faults))
        return value

    return Annotated[Any, AfterValidator(check)]


_PLAIN: dict[str, Any] = {
    "str": str, "int": int, "bool": bool, "float": (int, float), "datetime": str, "object": object,
}  # fmt: skip


def _faults(value: Any, kind: str, where: str) -> Any:
    """What is wrong with ``value`` as the type ``kind`` of the Kubernetes client."""
    if match := re.fullmatch(r"[Ll]ist\[(.+)\]", kind):
        if not isinstance(value, list):
            yield f"{where or 'it'} must be a list"
            return
        for position, item in enumerate(value):
            yield from _faults(item, match[1], f"{where}[{position}]")
        return
    if match := re.fullmatch(r"dict\(str, (.+)\)|[Dd]ict\[str, (.+)\]", kind):
        if not isinstance(value, dict):
            yield f"{where or 'it'} must be a map"
            return
        for key, item in value.items():
            yield from _faults(item, match[1] or match[2], f"{where}.{key}")
        return
    if not kind.startswith("V"):
        assert kind in _PLAIN, f"{where}: {kind} is a type this check does not know"
        if not isinstance(value, _PLAIN[kind]) or (kind not in ("bool", "object") and isinstance(value, bool)):
            yield f"{where} must be {kind}, not {value!r}"
        return
    model = getattr(kubernetes.client, kind)
    if not isinstance(value, dict):
        yield f"{where or 'it'} must be a {kind}"
        return
    names = {json: python for python, json in model.attribute_map.items()}
    for key, item in value.items():
        if key not in names:
            yield f"{where}.{key}: no such field of {kind}"
        else:
            yield from _faults(item, model.openapi_types[names[key]], f"{where}.{key}")
    try:
        model(**dict.fromkeys((names[key] for key in value if key in names), "given"))
    except ValueError as error:  # a required field is not there
        if "must not be `None`" in str(error):
            yield f"{where}: {error}"


class Metadata(Strict):
    name: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)]
    namespace: str | None = None
    annotations: dict[str, str] = {}
    labels: dict[str, str] = {}


class PodMetadata(Strict):
    annotations: dict[str, str] = {}
    labels: dict[str, str] = {}


class Hpa(Strict):
    minReplicas: Annotated[int, Field(ge=1)] | None = None
    maxReplicas: Annotated[int, Field(ge=1)]
    metricsv2: list[core("V2MetricSpec")]  # type: ignore[valid-type]


class Pdb(Strict):
    minAvailable: int | str | None = None
    maxUnavailable: int | str | None = None


class ComponentSpec(Strict):
    metadata: PodMetadata = PodMetadata()
    spec: core("V1PodSpec")  # type: ignore[valid-type]
    hpaSpec: Hpa | None = None
    pdbSpec: Pdb | None = None
    replicas: int | None = None


class Parameter(Strict):
    name: str
    value: str
    type: Literal["INT", "FLOAT", "DOUBLE", "STRING", "BOOL"]


class Endpoint(Strict):
    type: Literal["REST", "GRPC"] | None = None
    httpPort: int | None = None
    grpcPort: int | None = None


class Unit(Strict):
    name: str
    type: Literal["ROUTER", "COMBINER", "MODEL", "TRANSFORMER", "OUTPUT_TRANSFORMER"] | None = None
    implementation: str | None = None
    children: list[Unit] = []
    endpoint: Endpoint | None = None
    parameters: list[Parameter] = []
    modelUri: str | None = None
    serviceAccountName: str | None = None
    envSecretRefName: str | None = None
    storageInitializerImage: str | None = None

    def walk(self) -> list[Unit]:
        """This unit and all below it."""
        return [self, *(unit for child in self.children for unit in child.walk())]


class Predictor(Strict):
    name: str
    graph: Unit
    componentSpecs: list[ComponentSpec]
    annotations: dict[str, str] = {}
    labels: dict[str, str] = {}
    replicas: int | None = None
    traffic: int | None = None
    shadow: bool = False

    @model_validator(mode="after")
    def as_the_webhook_checks(self) -> Predictor:
        containers = {c.get("name") for spec in self.componentSpecs for c in spec.spec["containers"]}
        for unit in self.graph.walk():
            if unit.implementation is None and unit.name not in containers:
                raise ValueError(f"can't find container for predictive unit {unit.name}")
        if self.annotations.get("seldon.io/no-engine") and len(self.graph.walk()) > 1:
            raise ValueError("running without engine only valid for single element graphs")
        for spec in self.componentSpecs:
            if spec.hpaSpec and any(
                "cpu" not in c.get("resources", {}).get("requests", {}) for c in spec.spec["containers"]
            ):
                raise ValueError("every container of an autoscaled pod needs a CPU request")
        return self


class SeldonSpec(Strict):
    protocol: Literal["seldon", "tensorflow", "kfserving", "v2"]
    transport: Literal["rest", "grpc"] | None = None
    predictors: Annotated[list[Predictor], Field(min_length=1)]
    annotations: dict[str, str] = {}
    replicas: int | None = None

    @model_validator(mode="after")
    def as_the_webhook_checks(self) -> SeldonSpec:
        shadows = [predictor for predictor in self.predictors if predictor.shadow]
        traffic = sum(predictor.traffic or 0 for predictor in self.predictors if not predictor.shadow)
        if len(shadows) > 1 or len(shadows) == len(self.predictors):
            raise ValueError("at most one shadow, and not alone")
        if len(self.predictors) - len(shadows) > 1 and traffic != 100:
            raise ValueError("traffic must sum to 100 for multiple predictors")
        if len({predictor.name for predictor in self.predictors}) != len(self.predictors):
            raise ValueError("duplicate predictor name")
        if self.protocol == "v2" and any(u.type == "COMBINER" for p in self.predictors for u in p.graph.walk()):
            raise ValueError("a combiner does not work with protocol v2")
        return self


class SeldonDeployment(Strict):
    apiVersion: Literal["machinelearning.seldon.io/v1"]
    kind: Literal["SeldonDeployment"]
    metadata: Metadata
    spec: SeldonSpec


class KServePredictor(Strict):
    minReplicas: int | None = None
    maxReplicas: int | None = None
    scaleMetric: Literal["concurrency", "rps", "cpu", "memory"] | None = None
    scaleTarget: int | None = None
    serviceAccountName: str | None = None
    automountServiceAccountToken: bool | None = None
    terminationGracePeriodSeconds: int | None = None
    canaryTrafficPercent: int | None = None
    securityContext: core("V1PodSecurityContext") = None  # type: ignore[valid-type]
    topologySpreadConstraints: list[core("V1TopologySpreadConstraint")] = []  # type: ignore[valid-type]
    containers: Annotated[list[core("V1Container")], Field(min_length=1, max_length=1)]  # type: ignore[valid-type]
    volumes: list[core("V1Volume")] = []  # type: ignore[valid-type]


class KServeSpec(Strict):
    predictor: KServePredictor


class InferenceService(Strict):
    apiVersion: Literal["serving.kserve.io/v1beta1"]
    kind: Literal["InferenceService"]
    metadata: Metadata
    spec: KServeSpec


class PodMetricsEndpoint(Strict):
    port: str
    path: str = "/metrics"
    interval: str | None = None
    scrapeTimeout: str | None = None
    honorLabels: bool = False


class Selector(Strict):
    matchLabels: dict[str, str] = {}


class NamespaceSelector(Strict):
    any: bool = False
    matchNames: list[str] = []


class PodMonitorSpec(Strict):
    selector: Selector
    namespaceSelector: NamespaceSelector | None = None
    podMetricsEndpoints: Annotated[list[PodMetricsEndpoint], Field(min_length=1)]
    podTargetLabels: list[str] = []


class PodMonitor(Strict):
    apiVersion: Literal["monitoring.coreos.com/v1"]
    kind: Literal["PodMonitor"]
    metadata: Metadata
    spec: PodMonitorSpec


class Rule(Strict):
    expr: str
    record: str | None = None
    alert: str | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    for_: Annotated[str | None, Field(alias="for")] = None

    @model_validator(mode="after")
    def one_of_both(self) -> Rule:
        if (self.record is None) == (self.alert is None):
            raise ValueError("a rule either records or alerts")
        if self.alert and not {"summary", "description"} <= set(self.annotations):
            raise ValueError(f"{self.alert} says neither what it is nor what to do")
        return self


class RuleGroup(Strict):
    name: str
    interval: str | None = None
    rules: Annotated[list[Rule], Field(min_length=1)]


class RuleSpec(Strict):
    groups: Annotated[list[RuleGroup], Field(min_length=1)]


class PrometheusRule(Strict):
    apiVersion: Literal["monitoring.coreos.com/v1"]
    kind: Literal["PrometheusRule"]
    metadata: Metadata
    spec: RuleSpec


class ConfigMap(Strict):
    apiVersion: Literal["v1"]
    kind: Literal["ConfigMap"]
    metadata: Metadata
    data: dict[str, str]


_ANY = TypeAdapter(
    Annotated[
        SeldonDeployment | InferenceService | PodMonitor | PrometheusRule | ConfigMap, Field(discriminator="kind")
    ]
)


def faults(value: Any) -> list[str]:
    """What is wrong with one Kubernetes object: sentences with paths, none when it is right."""
    try:
        _ANY.validate_python(value)
    except ValidationError as error:
        return [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
    return []
