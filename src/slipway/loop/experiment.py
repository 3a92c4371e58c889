"""A Katib Experiment, read strictly and asked the questions a search asks.

Katib's custom resource definitions keep unknown fields, so the API server takes any misspelling without a word. Here
the file is read with Katib's own types (kubeflow-katib-api) and Kubernetes' own (the trial's Job), and a field neither
knows is refused by its path.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import yaml
from kubeflow_katib_api.models import V1beta1Experiment, V1beta1ExperimentSpec, V1beta1ParameterSpec
from kubernetes.client import V1Job
from pydantic import ValidationError

from slipway.errors import UserError

DEFAULT_FORMAT = r"([\w|-]+)\s*=\s*([+-]?\d*(\.\d+)?([Ee][+-]?\d+)?)"
"""What Katib's file collector looks for when the experiment names no format (its pkg/metricscollector)."""

_REFERENCE = re.compile(r"\$\{trialParameters\.([^}]+)\}")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_LONGEST_NAME = 40
_DEFAULT_PARALLEL = 3


@dataclass(frozen=True)
class MedianStop:
    """Katib's medianstop: stop a trial whose best is worse than the mean of earlier trials' first reports."""

    start_step: int = 4
    min_trials_required: int = 3


@dataclass(frozen=True)
class Experiment:
    """What is searched, how, and how a trial is run."""

    path: Path
    name: str
    spec: V1beta1ExperimentSpec
    command: tuple[str, ...]

    @property
    def maximize(self) -> bool:
        """Whether more is better."""
        assert self.spec.objective
        return self.spec.objective.type == "maximize"

    @property
    def metric(self) -> str:
        """The name of the objective's metric."""
        assert self.spec.objective and self.spec.objective.objective_metric_name
        return self.spec.objective.objective_metric_name

    @property
    def goal(self) -> float | None:
        """The value at which the search may end."""
        assert self.spec.objective
        return self.spec.objective.goal

    @property
    def metrics(self) -> list[str]:
        """Every metric that is collected, the objective first."""
        assert self.spec.objective
        return [self.metric, *(self.spec.objective.additional_metric_names or [])]

    @property
    def algorithm(self) -> str:
        """The name of the algorithm."""
        assert self.spec.algorithm and self.spec.algorithm.algorithm_name
        return self.spec.algorithm.algorithm_name

    @property
    def parallel(self) -> int:
        """How many trials run at once."""
        return self.spec.parallel_trial_count or _DEFAULT_PARALLEL

    @property
    def parameters(self) -> list[V1beta1ParameterSpec]:
        """What is searched over."""
        return self.spec.parameters or []

    def better(self, one: float, other: float) -> bool:
        """Whether ``one`` is strictly better than ``other``."""
        return one > other if self.maximize else one < other

    def reached(self, value: float) -> bool:
        """Whether ``value`` meets the goal, if there is one."""
        return self.goal is not None and not self.better(self.goal, value)

    def objective_of(self, observation: list[dict[str, str]]) -> float:
        """The objective's value of a trial: the strategy's field (min, max or latest) of its metric."""
        assert self.spec.objective
        strategies = {s.name: s.value for s in self.spec.objective.metric_strategies or []}
        field = strategies.get(self.metric) or ("max" if self.maximize else "min")
        metric = next(metric for metric in observation if metric["name"] == self.metric)
        return float(metric[field])

    def median_stop(self) -> MedianStop | None:
        """The early stopping rule, None when trials run to their end."""
        stopping = self.spec.early_stopping
        if stopping is None:
            return None
        settings = {s.name: int(s.value or 0) for s in stopping.algorithm_settings or []}
        return MedianStop(**{str(name): value for name, value in settings.items()})

    def command_for(self, assignments: dict[str, str]) -> list[str]:
        """The trial's command line with the assignments in the places of its trial parameters."""
        template = self.spec.trial_template
        assert template
        values = {p.name: assignments[str(p.reference)] for p in template.trial_parameters or []}
        return [_REFERENCE.sub(lambda reference: values[reference[1]], word) for word in self.command]

    def reader(self) -> MetricsReader:
        """A reader of one trial's output."""
        collector = self.spec.metrics_collector_spec
        source = collector.source if collector else None
        formats = (source.filter.metrics_format if source and source.filter else None) or [DEFAULT_FORMAT]
        return MetricsReader(self.metrics, [re.compile(pattern) for pattern in formats])

    def grid(self) -> Iterator[dict[str, str]]:
        """Every combination, in Katib's order of parameters; double parameters need a step."""
        names = [str(parameter.name) for parameter in self.parameters]
        for values in product(*(_grid_values(self.path, parameter) for parameter in self.parameters)):
            yield dict(zip(names, values, strict=True))


class MetricsReader:
    """Reads metrics off a trial's lines as Katib's StdOut collector does, but takes finite numbers only."""

    def __init__(self, names: list[str], formats: list[re.Pattern[str]]) -> None:
        self.values: dict[str, list[float]] = {name: [] for name in names}
        self._formats = formats

    def read(self, line: str) -> list[tuple[str, float]]:
        """Take in one line; returns the metrics it reported."""
        first, _, _ = line.partition(" ")
        text = line[len(first) :] if _RFC3339.fullmatch(first) else line
        found = []
        for pattern in self._formats:
            for match in pattern.finditer(text):
                name, value = match[1].strip(), _number(match[2])
                if name in self.values and value is not None:
                    self.values[name].append(value)
                    found.append((name, value))
        return found

    def observation(self) -> list[dict[str, str]]:
        """Minimum, maximum and latest of each metric that was seen, as Katib stores them: text."""
        return [
            {"name": name, "min": repr(min(values)), "max": repr(max(values)), "latest": repr(values[-1])}
            for name, values in self.values.items()
            if values
        ]


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def read_experiment(path: Path) -> Experiment:
    """Read an experiment.

    Raises:
        UserError: names the file, the field and what is wrong with it.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} is missing: name the experiment with --experiment.") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not YAML: {' '.join(str(error).split())}.") from None
    if not isinstance(document, dict) or document.get("kind") != "Experiment":
        raise UserError(f"{path}: kind is {(document or {}).get('kind')!r}, expected Experiment.")
    experiment = _strict(path, V1beta1Experiment, document, "")
    spec, template = experiment.spec, experiment.spec and experiment.spec.trial_template
    fault = _fault(experiment.metadata and experiment.metadata.name, spec)
    if fault or spec is None or template is None or template.trial_spec is None:
        raise UserError(f"{path}: {fault or 'spec.trialTemplate.trialSpec is missing'}.")
    job = _strict(path, V1Job, template.trial_spec, "spec.trialTemplate.trialSpec.")
    containers = job.spec.template.spec.containers if job.spec and job.spec.template.spec else []
    container = next((c for c in containers if c.name == template.primary_container_name), None)
    if container is None:
        raise UserError(
            f"{path}: spec.trialTemplate.primaryContainerName is {template.primary_container_name!r}, "
            f"which the Job does not have; it has {', '.join(c.name for c in containers)}."
        )
    if not container.command:
        raise UserError(f"{path}: container {container.name} has no command: Katib wraps it, so it must be written.")
    command = (*container.command, *(container.args or []))
    _check_references(path, spec, command)
    assert experiment.metadata and experiment.metadata.name
    return Experiment(path, experiment.metadata.name, spec, command)


def _strict(path: Path, model: Any, document: Any, where: str) -> Any:
    try:
        return model.model_validate(document, extra="forbid")
    except ValidationError as error:
        fault = error.errors()[0]
        field = where + ".".join(map(str, fault["loc"]))
        if fault["type"] == "extra_forbidden":
            raise UserError(f"{path}: {field}: no such field; remove it or correct its spelling.") from None
        raise UserError(f"{path}: {field}: {fault['msg'].lower()}, not {fault['input']!r}.") from None


def _fault(name: str | None, spec: V1beta1ExperimentSpec | None) -> str | None:
    """What Katib's webhook would refuse (pkg/webhook/v1beta1/experiment/validator), said in its field's words."""
    if not name or not re.fullmatch(rf"[a-z]([-a-z0-9]{{0,{_LONGEST_NAME - 2}}}[a-z0-9])?", name):
        return f"metadata.name is {name!r}, expected at most {_LONGEST_NAME} of a-z, 0-9 and -, a letter first"
    if spec is None or spec.objective is None or not spec.objective.objective_metric_name:
        return "spec.objective.objectiveMetricName is missing"
    if spec.objective.type not in ("maximize", "minimize"):
        return f"spec.objective.type is {spec.objective.type!r}, expected maximize or minimize"
    if spec.algorithm is None or not spec.algorithm.algorithm_name:
        return "spec.algorithm.algorithmName is missing"
    if spec.early_stopping and spec.early_stopping.algorithm_name != "medianstop":
        return f"spec.earlyStopping.algorithmName is {spec.early_stopping.algorithm_name!r}, expected medianstop"
    for setting in (spec.early_stopping and spec.early_stopping.algorithm_settings) or []:
        if setting.name not in MedianStop.__annotations__ or not str(setting.value).isdigit():
            return f"spec.earlyStopping.algorithmSettings has {setting.name}={setting.value!r}, which medianstop lacks"
    counts = {
        "parallelTrialCount": spec.parallel_trial_count,
        "maxTrialCount": spec.max_trial_count,
    }
    for field, count in counts.items():
        if count is not None and count < 1:
            return f"spec.{field} is {count}, expected at least 1"
    if (spec.max_failed_trial_count or 0) < 0:
        return f"spec.maxFailedTrialCount is {spec.max_failed_trial_count}, expected at least 0"
    if not spec.parameters:
        return "spec.parameters is empty"
    return next((fault for parameter in spec.parameters if (fault := _parameter_fault(parameter))), None)


def _parameter_fault(parameter: V1beta1ParameterSpec) -> str | None:
    space, where = parameter.feasible_space, f"spec.parameters, {parameter.name}"
    if space is None:
        return f"{where}: feasibleSpace is missing"
    if parameter.parameter_type in ("double", "int"):
        low, high = _number(space.min or ""), _number(space.max or "")
        if low is None or high is None or low > high or space.list:
            return f"{where}: feasibleSpace needs min and max, numbers in quotes, min not above max"
        if space.distribution == "logUniform" and low <= 0:
            return f"{where}: feasibleSpace.min is {space.min}, but logUniform starts above 0"
        return None
    if parameter.parameter_type in ("discrete", "categorical"):
        return None if space.list else f"{where}: feasibleSpace.list is missing"
    return f"{where}: parameterType is {parameter.parameter_type!r}, expected double, int, discrete or categorical"


def _check_references(path: Path, spec: V1beta1ExperimentSpec, command: tuple[str, ...]) -> None:
    assert spec.trial_template
    declared = {p.name: p.reference for p in spec.trial_template.trial_parameters or []}
    searched = {parameter.name for parameter in spec.parameters or []}
    used = {name for word in command for name in _REFERENCE.findall(word)}
    if unknown := sorted(used - declared.keys()):
        raise UserError(f"{path}: ${{trialParameters.{unknown[0]}}} is used but not declared in trialParameters.")
    if unused := sorted(set(map(str, declared)) - used):
        raise UserError(f"{path}: trialParameters declares {unused[0]}, which the command does not use.")
    if lost := [reference for reference in declared.values() if reference not in searched]:
        raise UserError(f"{path}: trialParameters refers to {lost[0]}, which spec.parameters does not have.")


def _grid_values(path: Path, parameter: V1beta1ParameterSpec) -> list[str]:
    space = parameter.feasible_space
    assert space
    if space.list:
        return list(space.list)
    low, high = float(space.min or 0), float(space.max or 0)
    if parameter.parameter_type == "int":
        return [str(value) for value in range(int(low), int(high) + 1, int(float(space.step or 1)))]
    if not space.step:
        raise UserError(f"{path}: spec.parameters, {parameter.name}: a grid needs feasibleSpace.step.")
    step = float(space.step)
    return [f"{low + step * position:.10g}" for position in range(int((high - low) / step + 1e-9) + 1)]
