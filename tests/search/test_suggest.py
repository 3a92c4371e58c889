"""Every algorithm proposes what the experiment allows, and what cannot be had locally is a sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from slipway.search.experiment import read_experiment
from slipway.search.suggest import suggester
from tests.search.conftest import Searches, parameter, searching

Refused = Callable[..., str]
SPACE = (
    parameter("eta", "double", min="0.01", max="0.3", distribution="logUniform"),
    parameter("share", "double", min="0.4", max="1.0", step="0.1"),
    parameter("rounds", "int", min="50", max="210", step="25"),
    parameter("depth", "int", min="3", max="8"),
    parameter("bins", "discrete", list=["64", "256"]),
    parameter("policy", "categorical", list=["depthwise", "lossguide"]),
)
USED = "echo " + " ".join(f"${{trialParameters.{p['name']}}}" for p in SPACE)


def propose(
    searches: Searches, algorithm: str, count: int, seed: int | None = 0, **settings: str
) -> list[dict[str, str]]:
    """The first proposals, the objective being eta."""
    given = [{"name": name, "value": value} for name, value in settings.items()]
    changes = searching(*SPACE, algorithm=algorithm) | {"algorithm.algorithmSettings": given}
    chosen = suggester(read_experiment(searches.write(changes, USED)), seed)
    found = []
    for _ in range(count):
        proposal = chosen.ask()
        assert proposal
        token, assignments = proposal
        chosen.tell(token, float(assignments["eta"]))
        found.append(assignments)
    return found


@pytest.mark.parametrize("algorithm", ["random", "tpe", "multivariate-tpe", "cmaes", "sobol"])
def test_proposals_lie_in_the_space(searches: Searches, algorithm: str) -> None:
    proposals = propose(searches, algorithm, 30)
    assert len({tuple(p.items()) for p in proposals}) > 20
    for proposal in proposals:
        assert list(proposal) == ["eta", "share", "rounds", "depth", "bins", "policy"]
        assert 0.01 <= float(proposal["eta"]) <= 0.3
        assert proposal["share"] in ("0.4", "0.5", "0.6", "0.7", "0.8", "0.9", "1")
        assert proposal["rounds"] in ("50", "75", "100", "125", "150", "175", "200"), "steps are counted from min"
        assert proposal["depth"] in ("3", "4", "5", "6", "7", "8")
        assert proposal["bins"] in ("64", "256")
        assert proposal["policy"] in ("depthwise", "lossguide")


def test_log_uniform_spreads_over_the_orders_of_magnitude(searches: Searches) -> None:
    small = sum(float(p["eta"]) < 0.0548 for p in propose(searches, "random", 200))  # the geometric middle
    assert 70 < small < 130


@pytest.mark.parametrize("algorithm", ["random", "tpe", "multivariate-tpe", "cmaes", "sobol"])
def test_a_seed_makes_proposals_repeatable(searches: Searches, algorithm: str) -> None:
    first = propose(searches, algorithm, 15, seed=7)
    assert propose(searches, algorithm, 15, seed=7) == first
    assert propose(searches, algorithm, 15, seed=8) != first


def test_random_state_is_the_seed_unless_one_is_given(searches: Searches) -> None:
    assert propose(searches, "tpe", 5, None, random_state="7") == propose(searches, "tpe", 5, 7)
    assert propose(searches, "tpe", 5, 3, random_state="7") == propose(searches, "tpe", 5, 3)


@pytest.mark.parametrize("algorithm", ["tpe", "multivariate-tpe", "cmaes"])
def test_proposals_learn_from_what_came_of_them(searches: Searches, algorithm: str) -> None:
    etas = [float(p["eta"]) for p in propose(searches, algorithm, 60)]
    assert sum(etas[-15:]) > 1.5 * sum(etas[:15])


def test_settings_reach_the_algorithm(searches: Searches) -> None:
    plain = propose(searches, "multivariate-tpe", 9)
    assert propose(searches, "multivariate-tpe", 9, n_startup_trials="9") == plain, "none of nine is modelled yet"
    assert propose(searches, "multivariate-tpe", 9, n_startup_trials="2") != plain


def test_a_grid_is_every_combination_once(searches: Searches) -> None:
    axes = (
        parameter("depth", "int", min="3", max="8", step="2"),
        parameter("share", "double", min="0.1", max="0.3", step="0.1"),
        parameter("policy", "categorical", list=["a", "b"]),
    )
    script = "echo ${trialParameters.depth} ${trialParameters.share} ${trialParameters.policy}"
    changes = searching(*axes, algorithm="grid", trials=18)
    grid = suggester(read_experiment(searches.write(changes, script)), 0)
    points = []
    while (proposal := grid.ask()) is not None:
        points.append(tuple(proposal[1].values()))
    assert points == [(d, s, p) for d in ("3", "5", "7") for s in ("0.1", "0.2", "0.3") for p in ("a", "b")]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"algorithm.algorithmName": "hyperband"},
            "'hyperband', which runs on a cluster only; locally there are grid, ran",
        ),
        ({"algorithm.algorithmName": "tpee"}, "'tpee', which runs on a cluster only"),
        ({"algorithm.algorithmName": "cmaes"}, "cmaes needs two double or int parameters at least"),
        ({"algorithm.algorithmName": "grid"}, "x: a grid needs feasibleSpace.step"),
        *(
            (
                {
                    "algorithm.algorithmName": "grid",
                    "parameters.0.parameterType": kind,
                    "parameters.0.feasibleSpace": {"min": "0", "max": most, "step": step},
                },
                f"x: step {step} makes 1e+09 values of a grid, which takes 10,000 at most",
            )
            for kind, most, step in (("double", "1", "1e-9"), ("int", "1000000000", "1"))
        ),
        (
            {"algorithm.algorithmName": "grid", "parameters.0.feasibleSpace": {"min": "0", "max": "1", "step": "0.5"}},
            "spec.maxTrialCount is 4, but the grid has 3 points",
        ),
        ({"parameters.0.feasibleSpace.distribution": "normal"}, "distribution 'normal' runs on a cluster only"),
        (
            {"parameters.0.feasibleSpace": {"min": "0.1", "max": "1", "step": "0.1", "distribution": "logUniform"}},
            "x: logUniform with a step runs on a cluster only",
        ),
        (
            {
                "parameters.0": parameter("x", "int", min="1", max="9", step="2", distribution="logUniform"),
            },
            "x: logUniform with a step runs on a cluster only",
        ),
        (
            {"algorithm.algorithmSettings": [{"name": "n_startup", "value": "3"}]},
            "n_startup: random has no such setting here; it has random_state",
        ),
        (
            {
                "algorithm": {
                    "algorithmName": "tpe",
                    "algorithmSettings": [{"name": "n_EI_candidates", "value": "many"}],
                }
            },
            "n_EI_candidates is 'many', expected a number",
        ),
    ],
)
def test_what_has_no_local_counterpart_is_a_sentence(refused: Refused, changes: dict[str, Any], said: str) -> None:
    assert said in refused(changes)
