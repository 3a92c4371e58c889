"""What Katib's webhook refuses in an Experiment, and what a machine without a cluster cannot run.

https://github.com/kubeflow/katib/blob/v0.19.0/pkg/webhook/v1beta1/experiment/validator/validator.go, and what its
suggestion services refuse when the experiment starts.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from kubeflow_katib_api.models import (
    V1beta1EarlyStoppingSpec,
    V1beta1ExperimentSpec,
    V1beta1MetricsCollectorSpec,
    V1beta1ObjectiveSpec,
    V1beta1ParameterSpec,
)

from slipway.search.observation import finite_number

REFERENCE = re.compile(r"\$\{trialParameters\.([^}]+)\}")
META = re.compile(r"\$\{trialSpec\.(Name|Namespace|Kind|APIVersion|Annotations|Labels)(?:\[(.+)\])?\}")
_LONGEST_NAME = 40
_NAME = re.compile(rf"[a-z]([-a-z0-9]{{0,{_LONGEST_NAME - 2}}}[a-z0-9])?")
_DISTRIBUTIONS = ("uniform", "logUniform", "normal", "logNormal")
_NOT_IN_GO = re.compile(r"\(\?(?:[=!>(]|<[=!]|P=)|(?<!\\)(?:\\\\)*\\[1-9]|[*+?}]\+")
"""Look-around, back-references, atomic groups and possessive repeats: Python has them, Go's regular expressions not."""


def check(name: str | None, spec: V1beta1ExperimentSpec | None) -> str | None:
    """The first thing that is wrong with an experiment, in its field's words; None when nothing is."""
    return next(_faults(name, spec), None)


def _faults(name: str | None, spec: V1beta1ExperimentSpec | None) -> Iterator[str]:
    if not name or not _NAME.fullmatch(name):
        yield f"metadata.name is {name!r}, expected at most {_LONGEST_NAME} of a-z, 0-9 and -, a letter first"
    if spec is None:
        yield "spec is missing"
        return
    yield from _objective_faults(spec.objective)
    if spec.algorithm is None or not spec.algorithm.algorithm_name:
        yield "spec.algorithm.algorithmName is missing"
    yield from _early_stopping_faults(spec.early_stopping)
    yield from _count_faults(spec)
    if not spec.parameters:
        yield "spec.parameters is empty"
    names = [str(parameter.name) for parameter in spec.parameters or []]
    if twice := [parameter for parameter, count in Counter(names).items() if count > 1]:
        yield f"spec.parameters has {twice[0]} twice"
    for parameter in spec.parameters or []:
        yield from _parameter_faults(parameter)
    yield from _collector_faults(spec.metrics_collector_spec)
    yield from _template_faults(spec)


def _objective_faults(objective: V1beta1ObjectiveSpec | None) -> Iterator[str]:
    if objective is None or not objective.objective_metric_name:
        yield "spec.objective.objectiveMetricName is missing"
        return
    if objective.type not in ("maximize", "minimize"):
        yield f"spec.objective.type is {objective.type!r}, expected maximize or minimize"
    others = objective.additional_metric_names or []
    if objective.objective_metric_name in others:
        yield f"spec.objective.additionalMetricNames repeats the objective, {objective.objective_metric_name}"
    for strategy in objective.metric_strategies or []:
        if strategy.name not in (objective.objective_metric_name, *others):
            yield f"spec.objective.metricStrategies names {strategy.name!r}, which is not a metric of the objective"
        if strategy.value not in ("min", "max", "latest"):
            yield (
                f"spec.objective.metricStrategies, {strategy.name}: value is {strategy.value!r}, "
                "expected min, max or latest"
            )


def _early_stopping_faults(stopping: V1beta1EarlyStoppingSpec | None) -> Iterator[str]:
    if stopping is None:
        return
    if stopping.algorithm_name != "medianstop":
        yield f"spec.earlyStopping.algorithmName is {stopping.algorithm_name!r}, expected medianstop"
    for setting in stopping.algorithm_settings or []:
        if setting.name not in ("start_step", "min_trials_required"):
            yield (
                f"spec.earlyStopping.algorithmSettings has {setting.name!r}; "
                "medianstop has start_step and min_trials_required"
            )
        if not _whole(setting.value) or int(str(setting.value)) < 1:
            yield f'spec.earlyStopping.algorithmSettings, {setting.name} is {setting.value!r}, expected at least "1"'


def _count_faults(spec: V1beta1ExperimentSpec) -> Iterator[str]:
    most = spec.max_trial_count
    if most is not None and most < 1:
        yield f"spec.maxTrialCount is {most}, expected at least 1"
    for field, count, least in (
        ("parallelTrialCount", spec.parallel_trial_count, 1),
        ("maxFailedTrialCount", spec.max_failed_trial_count, 0),
    ):
        if count is not None and count < least:
            yield f"spec.{field} is {count}, expected at least {least}"
        if count is not None and most is not None and count > most:
            yield f"spec.{field} is {count}, more than spec.maxTrialCount, {most}"


def _parameter_faults(parameter: V1beta1ParameterSpec) -> Iterator[str]:
    space, where = parameter.feasible_space, f"spec.parameters, {parameter.name}"
    if space is None:
        yield f"{where}: feasibleSpace is missing"
        return
    if space.distribution not in (None, "", *_DISTRIBUTIONS):
        yield f"{where}: distribution is {space.distribution!r}, expected one of {', '.join(_DISTRIBUTIONS)}"
    if parameter.parameter_type in ("discrete", "categorical"):
        if not space.list:
            yield f"{where}: feasibleSpace.list is missing"
        if space.min or space.max or space.step:
            yield f"{where}: {parameter.parameter_type} takes feasibleSpace.list only, no min, max or step"
        return
    if parameter.parameter_type not in ("double", "int"):
        yield f"{where}: parameterType is {parameter.parameter_type!r}, expected double, int, discrete or categorical"
        return
    if space.list:
        yield f"{where}: {parameter.parameter_type} takes min and max, no list"
    number: Callable[[Any], Any] = _whole if parameter.parameter_type == "int" else finite_number
    kind = "a whole number" if parameter.parameter_type == "int" else "a number"
    for field, text in (("min", space.min), ("max", space.max), ("step", space.step or "1")):
        if number(text) is None:
            yield f'{where}: feasibleSpace.{field} is {text!r}, expected {kind} in quotes, as in "3"'
            return
    low, high = float(space.min or 0), float(space.max or 0)
    if low > high:
        yield f"{where}: feasibleSpace.min is {space.min}, above max, {space.max}"
    if space.step and float(space.step) <= 0:
        yield f"{where}: feasibleSpace.step is {space.step}, expected more than 0"
    if space.distribution in ("logUniform", "logNormal") and low <= 0:
        yield f"{where}: feasibleSpace.min is {space.min}, but {space.distribution} starts above 0"


def _whole(text: Any) -> int | None:
    return int(text) if isinstance(text, str) and re.fullmatch(r"[+-]?\d+", text) else None


def _collector_faults(collector: V1beta1MetricsCollectorSpec | None) -> Iterator[str]:
    kind = collector.collector.kind if collector and collector.collector else "StdOut"
    if kind != "StdOut":
        yield (
            f"spec.metricsCollectorSpec.collector.kind is {kind!r}, which runs on a cluster only: "
            "print the metrics and use StdOut"
        )
    source = collector.source if collector else None
    for pattern in (source.filter.metrics_format if source and source.filter else None) or []:
        where = f"spec.metricsCollectorSpec.source.filter.metricsFormat, {pattern!r}"
        try:
            groups = re.compile(pattern).groups
        except re.error as error:
            yield f"{where}: not a regular expression ({error})"
            continue
        if groups < 2:
            yield f"{where}: needs two groups in brackets, one for the name and one for the value"
        if ";" in pattern:
            yield f"{where}: has a semicolon, at which Katib would cut it in two"
        if _NOT_IN_GO.search(pattern):
            yield f"{where}: look-around, back-references and possessive repeats do not exist in Katib's language, Go"


def _template_faults(spec: V1beta1ExperimentSpec) -> Iterator[str]:
    template = spec.trial_template
    if template is None or template.trial_spec is None:
        only = "; a configMap can be read on a cluster only" if template and template.config_map else ""
        yield f"spec.trialTemplate.trialSpec is missing{only}"
        return
    job, where = template.trial_spec, "spec.trialTemplate.trialSpec"
    if (job.get("apiVersion"), job.get("kind")) != ("batch/v1", "Job"):
        yield f"{where} is {job.get('apiVersion')} {job.get('kind')}, expected batch/v1 Job: others need a cluster"
    metadata = job.get("metadata") or {}
    if not isinstance(metadata, dict):
        yield f"{where}.metadata is no mapping of keys and values"
        return
    if named := sorted({"name", "namespace"} & metadata.keys()):
        yield f"{where}.metadata.{named[0]} is set, but Katib names the trials: remove it"
    if not template.primary_container_name:
        yield "spec.trialTemplate.primaryContainerName is missing"
    if not template.trial_parameters:
        yield "spec.trialTemplate.trialParameters is missing"
    yield from _reference_faults(spec, json.dumps(job), metadata)


def _reference_faults(spec: V1beta1ExperimentSpec, written: str, metadata: dict[str, Any]) -> Iterator[str]:
    """Every parameter has to reach the trial: searched, declared, and used, each exactly once."""
    assert spec.trial_template
    parameters = spec.trial_template.trial_parameters or []
    names, references = [p.name for p in parameters], [p.reference for p in parameters]
    for field, values in (("name", names), ("reference", references)):
        if None in values or "" in values:
            yield f"spec.trialTemplate.trialParameters: a {field} is missing"
        if twice := [value for value, count in Counter(values).items() if count > 1]:
            yield f"spec.trialTemplate.trialParameters has the {field} {twice[0]} twice"
    used = REFERENCE.findall(written)
    if unknown := [name for name in used if name not in names]:
        yield f"${{trialParameters.{unknown[0]}}} is used but not declared in trialParameters"
    if unused := [name for name in names if name not in used]:
        yield f"trialParameters declares {unused[0]}, which the Job does not use"
    searched = [parameter.name for parameter in spec.parameters or []]
    for reference in references:
        if reference in searched:
            continue
        meta = META.fullmatch(str(reference))
        if not meta:
            yield f"trialParameters refers to {reference}, which spec.parameters does not have"
        elif (meta[1] in ("Annotations", "Labels")) != (meta[2] is not None) or (
            meta[2] is not None and meta[2] not in (metadata.get(meta[1].lower()) or {})
        ):
            yield f"trialParameters refers to {reference}, which the Job's metadata does not have"
    if unheard := [name for name in searched if name not in references]:
        yield f"spec.parameters has {unheard[0]}, which no trialParameter refers to"
