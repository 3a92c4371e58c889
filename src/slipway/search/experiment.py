"""A Katib Experiment, read strictly and asked the questions a search asks.

Katib's custom resource definitions keep unknown fields, so the API server takes any misspelling without a word. Here
the file is read with Katib's own types (kubeflow-katib-api) and Kubernetes' own (the trial's Job), and a field neither
knows is refused by its path. What Katib's webhook refuses is refused here too: see experiment_rules.py.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from kubeflow_katib_api.models import V1beta1Experiment, V1beta1ExperimentSpec, V1beta1ParameterSpec
from kubernetes.client import V1Container, V1Job
from pydantic import ValidationError

from slipway.errors import UserError
from slipway.params import load_yaml
from slipway.search.experiment_rules import META, REFERENCE, check
from slipway.search.observation import DEFAULT_FORMAT, MetricsReader, objective_value

_DEFAULT_PARALLEL = 3
_EXPANSION = re.compile(r"\$\$|\$\(([-._a-zA-Z][-._a-zA-Z0-9]*)\)")


@dataclass(frozen=True)
class MedianStop:
    """Katib's medianstop: stop a trial whose best is worse than the mean of earlier trials' first reports."""

    start_step: int = 4
    min_trials_required: int = 3


@dataclass(frozen=True)
class Command:
    """What runs a trial: an argument list, and what its environment has beside this process's."""

    words: list[str]
    environment: dict[str, str]


@dataclass(frozen=True)
class Experiment:
    """What is searched, how, and how a trial is run."""

    path: Path
    name: str
    namespace: str
    spec: V1beta1ExperimentSpec
    container: V1Container

    @property
    def objective(self) -> dict[str, Any]:
        """``spec.objective`` as it is written."""
        assert self.spec.objective
        return self.spec.objective.to_dict()

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
    def settings(self) -> dict[str, str]:
        """The algorithm's settings."""
        assert self.spec.algorithm
        return {str(s.name): str(s.value) for s in self.spec.algorithm.algorithm_settings or []}

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

    def objective_of(self, observation: list[dict[str, str]]) -> float | None:
        """The objective's value of a trial, None where it reported none."""
        return objective_value(self.objective, observation)

    def median_stop(self) -> MedianStop | None:
        """The early stopping rule, None when trials run to their end."""
        stopping = self.spec.early_stopping
        if stopping is None:
            return None
        return MedianStop(**{str(s.name): int(s.value or 0) for s in stopping.algorithm_settings or []})

    def command_for(self, trial: str, assignments: dict[str, str]) -> Command:
        """How a trial is run: as Katib runs it, with the assignments in the places of its trial parameters.

        To collect what it prints Katib wraps the container's command in a shell, its words joined by blanks and not
        quoted (pkg/webhook/v1beta1/pod/utils.go). So a word with a blank in it is two words there, and here.
        """
        values = {p.name: self._value(str(p.reference), trial, assignments) for p in self._trial_parameters()}

        def filled(text: str) -> str:
            return REFERENCE.sub(lambda reference: values[reference[1]], text)

        environment = {"KATIB_TRIAL_NAME": trial}
        for variable in self.container.env or []:
            if variable.value_from is None:
                environment[variable.name] = filled(variable.value or "")

        def expanded(word: str) -> str:  # as the kubelet does: $(NAME) where the container sets NAME, $$ is $
            return _EXPANSION.sub(lambda m: "$" if m[1] is None else environment.get(m[1], m[0]), filled(word))

        words = [expanded(word) for word in (*(self.container.command or []), *(self.container.args or []))]
        shell, words = (words[:2], words[2:]) if words[:2] in _SHELLS else (_SHELLS[0], words)
        return Command([*shell, " ".join(words)], environment)

    def _trial_parameters(self) -> list[Any]:
        assert self.spec.trial_template
        return self.spec.trial_template.trial_parameters or []

    def _value(self, reference: str, trial: str, assignments: dict[str, str]) -> str:
        if not (meta := META.fullmatch(reference)):
            return assignments[reference]
        assert self.spec.trial_template and self.spec.trial_template.trial_spec
        job = self.spec.trial_template.trial_spec
        known = {"Name": trial, "Namespace": self.namespace, "Kind": job["kind"], "APIVersion": job["apiVersion"]}
        if meta[1] in known:
            return known[meta[1]]
        return str(job["metadata"][meta[1].lower()][meta[2]])

    def reader(self) -> MetricsReader:
        """A reader of one trial's output."""
        collector = self.spec.metrics_collector_spec
        source = collector.source if collector else None
        formats = (source.filter.metrics_format if source and source.filter else None) or [DEFAULT_FORMAT]
        return MetricsReader(self.metrics, formats)

    def missing_variables(self) -> list[str]:
        """Variables that a cluster takes from a Secret or the like, and that this machine's environment lacks."""
        return [v.name for v in self.container.env or [] if v.value_from is not None and v.name not in os.environ]


_SHELLS = (["sh", "-c"], ["bash", "-c"])


def read_experiment(path: Path) -> Experiment:
    """Read an experiment.

    Raises:
        UserError: names the file, the field and what is wrong with it.
    """
    try:
        document = load_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} is missing: name the experiment with --experiment.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read ({error}).") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not YAML: {' '.join(str(error).split())}.") from None
    kind = f"{document.get('apiVersion')} {document.get('kind')}" if isinstance(document, dict) else "not a mapping"
    if kind != "kubeflow.org/v1beta1 Experiment":
        raise UserError(f"{path} is {kind}, expected kubeflow.org/v1beta1 Experiment.")
    experiment = _strict(path, V1beta1Experiment, document, "")
    name, spec = experiment.metadata and experiment.metadata.name, experiment.spec
    if fault := check(name, spec):
        raise UserError(f"{path}: {fault}.")
    template = spec.trial_template
    job = _strict(path, V1Job, template.trial_spec, "spec.trialTemplate.trialSpec.")
    return Experiment(path, name, experiment.metadata.namespace or "default", spec, _primary(path, template, job))


def _primary(path: Path, template: Any, job: V1Job) -> V1Container:
    """The container that Katib collects metrics from."""
    pod = job.spec.template.spec if job.spec else None
    containers = pod.containers if pod else []
    container = next((c for c in containers if c.name == template.primary_container_name), None)
    if container is None:
        raise UserError(
            f"{path}: spec.trialTemplate.primaryContainerName is {template.primary_container_name!r}, "
            f"which the Job does not have; it has {', '.join(c.name for c in containers) or 'no container'}."
        )
    if not container.command:
        raise UserError(f"{path}: container {container.name} has no command: Katib wraps it, so it must be written.")
    return container


def _strict(path: Path, model: Any, document: Any, where: str) -> Any:
    try:
        return model.model_validate(document, extra="forbid")
    except ValidationError as error:
        fault = error.errors()[0]
        field = where + ".".join(map(str, fault["loc"]))
        if fault["type"] == "extra_forbidden":
            raise UserError(f"{path}: {field}: no such field; remove it or correct its spelling.") from None
        if fault["type"] == "missing":
            raise UserError(f"{path}: {field} is missing.") from None
        if fault["type"] == "string_type" and isinstance(fault["input"], (bool, int, float)):
            raise UserError(
                f"{path}: {field} is {fault['input']!r}, expected text: put it in quotes, as Katib takes text only."
            ) from None
        message = f"{fault['msg'][0].lower()}{fault['msg'][1:]}"
        raise UserError(f"{path}: {field}: {message}, not {fault['input']!r}.") from None
