"""What a merge would spend: the trials and resources that k8s/katib/experiment.yaml asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from slipway.errors import UserError

EXPERIMENT = Path("k8s/katib/experiment.yaml")
_DEFAULT_PARALLEL = 3  # Katib's own, when the experiment does not say


@dataclass(frozen=True)
class SearchPlan:
    """An experiment in numbers. ``cpu`` (cores) and ``memory`` (bytes) are what one trial requests; None: nothing."""

    trials: int | None
    parallel: int
    algorithm: str
    cpu: Decimal | None
    memory: Decimal | None
    space: Mapping[str, str]

    def rows(self) -> dict[str, str]:
        """The plan in words, line by line."""
        trials = "without end" if self.trials is None else f"at most {self.trials}"
        peak = [amount for amount in (_cores(self.cpu, self.parallel), _bytes(self.memory, self.parallel)) if amount]
        each = [amount for amount in (_cores(self.cpu, 1), _bytes(self.memory, 1)) if amount]
        rows = {
            "trials": trials,
            "at once": str(self.parallel),
            "search": self.algorithm,
            "one trial requests": " and ".join(each) or "nothing: it may take a whole node",
            "at once, at most": " and ".join(peak) or "unknown",
        }
        if self.cpu is not None and self.trials is not None:
            rows["CPU × trials"] = _cores(self.cpu, self.trials)
        return rows | {f"space: {name}": space for name, space in self.space.items()}


def search_plan(experiment: Any) -> SearchPlan:
    """Read a plan from a Katib Experiment.

    Raises:
        UserError: it is not one, or a quantity in it is none of Kubernetes'.
    """
    try:
        spec = experiment["spec"]
        template = spec["trialTemplate"]
        pod = template["trialSpec"]["spec"]["template"]["spec"]
        primary = template.get("primaryContainerName")
        container = next((c for c in pod["containers"] if c.get("name") == primary), pod["containers"][0])
        resources = container.get("resources") or {}
        requests = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
        return SearchPlan(
            trials=spec.get("maxTrialCount"),
            parallel=int(spec.get("parallelTrialCount", _DEFAULT_PARALLEL)),
            algorithm=str(spec["algorithm"]["algorithmName"]),
            cpu=_quantity(requests.get("cpu")),
            memory=_quantity(requests.get("memory")),
            space={str(p["name"]): _space(p) for p in spec.get("parameters", [])},
        )
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"{EXPERIMENT} is not an experiment that can be read ({type(error).__name__}: {error})."
        ) from None


def _space(parameter: Mapping[str, Any]) -> str:
    feasible = parameter["feasibleSpace"]
    if "list" in feasible:
        return ", ".join(map(str, feasible["list"]))
    step = f" by {feasible['step']}" if "step" in feasible else ""
    scale = f", {feasible['distribution']}" if "distribution" in feasible else ""
    return f"{feasible['min']} to {feasible['max']}{step}{scale}"


def _quantity(value: Any) -> Decimal | None:
    if value is None:
        return None
    from kubernetes.utils.quantity import parse_quantity

    quantity: Decimal = parse_quantity(value)
    return quantity


def _cores(cpu: Decimal | None, times: int) -> str:
    return "" if cpu is None else f"{(cpu * times).normalize():f} CPU"


def _bytes(memory: Decimal | None, times: int) -> str:
    return "" if memory is None else f"{float(memory * times) / 2**30:.3g} GiB"
