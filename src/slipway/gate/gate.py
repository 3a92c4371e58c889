"""Hold the challenger against the champion and decide.

  gate                    the version with the alias challenger against the one with the alias champion
  gate --challenger churn/7 --set-champion
                          this version; when it passes, it is given the alias champion
  gate --challenger models/challenger --champion models/current
                          two folders, without a registry

Both are scored afresh on the same hold-out, which must be newer than all that either has learnt from. The challenger
passes when it meets the floors, is better by the margin with the confidence asked for (paired bootstrap), drops in no
slice, and answers in time in the real server. Without a champion the floors and the time decide. What is compared is
the metric that problem.py names; every number is in params.yaml under gate.

Writes build/gate/decision.json and decision.md, and, where the challenger is a version of the registry, the same beside
it, in the place of an earlier decision: the promotion's pull request shows it. Exit code 0 passed, 1 refused, 2 not
comparable or bad input.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from slipway.errors import UserError
from slipway.files import read_json, write_json, write_text
from slipway.gate.comparison import Scored, Slice, as_json, bootstrap_difference, score, slices
from slipway.gate.decision import DECISION, PAGE, as_markdown, keep, kept
from slipway.learning.ensemble import Ensemble, load_ensemble
from slipway.learning.evaluate import seen_by
from slipway.learning.learners.learner import settings
from slipway.learning.matrices import MADE_BY, PREPARED, Rows, load_parts
from slipway.learning.split import Sides, split_rows
from slipway.model.problem import PROBLEM
from slipway.names import load_names
from slipway.params import Gate, Split
from slipway.problem import ByTime
from slipway.serving.served import latencies, served

OUT = Path("build/gate")
DATA = Path(PROBLEM.parts.folder)
CHAMPION, CHALLENGER = "champion", "challenger"
LATENCY_REQUESTS = 300
LEAST_UNITS = 10
"""From how many on an interval of drawn units means anything."""
_VERSION = re.compile(r"[^@]+(/\d+|@[^@/]+)")


@dataclass(frozen=True)
class Check:
    """One reason for or against, as a sentence."""

    name: str
    passed: bool
    reason: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `slipway gate`."""
    model = "a folder, name/version or name@alias"
    parser.add_argument("--challenger", metavar="MODEL", help=f"{model}; default: the alias {CHALLENGER}")
    parser.add_argument("--champion", metavar="MODEL", help=f"{model}; default: the alias {CHAMPION}, if there is one")
    parser.add_argument("--set-champion", action="store_true", help="give a challenger that passes the alias champion")
    parser.add_argument(
        "--resume", action="store_true", help="a challenger that is the champion by now: say the decision again"
    )
    parser.add_argument("--data", type=Path, default=DATA, metavar="DIR", help="default: %(default)s")
    parser.add_argument("--prepared", type=Path, default=PREPARED, metavar="DIR", help="default: %(default)s")
    parser.add_argument("--out", type=Path, default=OUT, metavar="DIR", help="default: %(default)s")


def run(args: argparse.Namespace) -> int:
    """Decide; 0 passed, 1 refused."""
    for last in (DECISION, PAGE):  # were this one to end early, the last one's would be taken for its own
        (args.out / last).unlink(missing_ok=True)
    if args.set_champion and args.challenger and Path(args.challenger).is_dir():
        raise UserError("--set-champion needs a version of the registry, and --challenger is a folder.")
    if args.set_champion and args.champion:
        raise UserError(f"--set-champion compares with the alias {CHAMPION} itself: leave --champion out.")
    if args.data != DATA and not args.data.is_dir():
        raise UserError(f"--data {args.data}: there is no such folder.")
    params, name = settings(PROBLEM), load_names().model
    sides = split_rows(load_parts(args.prepared), params.split, PROBLEM)
    contender = _Contender.named(args.challenger or f"{name}@{CHALLENGER}", args.out)
    holder = _Contender.champion(args.champion, name, args.out)
    if holder and contender.version and holder.version and contender.version.spec == holder.version.spec:
        if args.resume and (decision := contender.decided()):
            print(as_markdown(decision))
            return _leave(decision, args.out)
        raise UserError(
            f"{holder.label} is the champion already, so there is nothing to decide: register another model."
        )
    sample = read_json(args.prepared / "sample.json", MADE_BY)
    champion = None if holder is None else holder.model
    decision = decide(
        contender.model, champion, sides, params.split, params.gate, sample, args.data, args.out / "server.log"
    )
    decision = {
        "challenger": contender.label,
        "champion": holder and holder.label,
        **decision,
    }
    print(as_markdown(decision))
    contender.book(decision, holder, args.set_champion)
    return _leave(decision, args.out)


def _leave(decision: dict[str, Any], out: Path) -> int:
    """Write the decision; 0 passed, 1 refused."""
    write_json(out / DECISION, decision)
    write_text(out / PAGE, as_markdown(decision))
    return 0 if decision["passed"] else 1


class _Contender:
    """A model under comparison, from a folder or from the registry."""

    def __init__(self, label: str, folder: Path, version: Any = None) -> None:
        self.label, self.version = label, version
        self.model = load_ensemble(folder)
        if "trained_on" not in self.model.metadata:
            raise UserError(
                f"{label}: metadata.json has no 'trained_on', so what it has learnt from is not known: train it again."
            )

    @classmethod
    def named(cls, spec: str, out: Path) -> _Contender:
        if Path(spec).is_dir():
            return cls(spec, Path(spec))
        if not _VERSION.fullmatch(spec):
            raise UserError(f"{spec} is no folder, and a version is written name/3 or name@alias.")
        from slipway.registry.registry import open_registry

        registry = open_registry()
        version = registry.resolve(spec)
        folder = registry.download(version, out / "models" / version.name / str(version.version))
        return cls(version.spec, folder, version)

    @classmethod
    def champion(cls, spec: str | None, name: str, out: Path) -> _Contender | None:
        """The champion that was named, or the registry's, or None where it has none."""
        if spec:
            return cls.named(spec, out)
        from slipway.registry.registry import open_registry

        return cls.named(f"{name}@{CHAMPION}", out) if CHAMPION in open_registry().aliases(name) else None

    def decided(self) -> dict[str, Any] | None:
        """The decision that let this version in, where it was kept."""
        from slipway.registry.registry import open_registry

        decision = None if self.version is None else kept(open_registry(), self.version)
        return decision if decision and decision["passed"] else None

    def book(self, decision: dict[str, Any], holder: _Contender | None, set_champion: bool) -> None:
        """Write the decision beside the version, and move the alias if it was earned and asked for.

        Raises:
            UserError: the alias was moved while the two were compared; then nothing is written.
        """
        if self.version is None:
            return
        from slipway.registry.registry import open_registry

        registry = open_registry()
        if set_champion:
            held, now = holder and holder.version and holder.version.version, registry.aliases(self.version.name)
            if now.get(CHAMPION) != held:
                raise UserError(
                    f"while {self.label} was compared, the alias {CHAMPION} went from version {held} to "
                    f"{now.get(CHAMPION)}: gate again, against the champion there is now."
                )
        keep(registry, self.version, decision)
        if set_champion and decision["passed"]:
            registry.set_alias(self.version.name, CHAMPION, self.version.version)


def decide(
    challenger: Ensemble,
    champion: Ensemble | None,
    sides: Sides,
    amounts: Split,
    rules: Gate,
    sample: list[dict[str, Any]],
    data: Path,
    server_log: Path,
) -> dict[str, Any]:
    """Compare, time, and decide.

    Args:
        challenger: who wants in.
        champion: who is in; None when nobody is.
        sides: how the rows are split; the hold-out is unknown to both.
        amounts: split of params.yaml.
        rules: the gate's numbers.
        sample: rows of the hold-out as a client sends them, for the latency.
        data: the parts' own rows, for a model with other features than today's.
        server_log: where the server that is timed writes.

    Returns:
        The decision as it is stored, without the models' names: passed, held_out, rows, checks, scores, difference,
        slices, latency_p99_ms.

    Raises:
        UserError: one of the two has learnt from the hold-out or from what came after it.
    """
    checks, evidence = compare(challenger, champion, sides, amounts, rules, data)
    with served(challenger.folder, CHALLENGER, server_log) as address:
        p99 = float(np.percentile(latencies(address, sample, LATENCY_REQUESTS), 99))
    checks.append(_in_time(p99, rules))
    return {
        "passed": all(check.passed for check in checks),
        "held_out": sides.label,
        "rows": sides.holdout.rows,
        "many": PROBLEM.name.many,
        "metric": PROBLEM.decides.title,
        "checks": [vars(check) for check in checks],
        **evidence,
        "latency_p99_ms": round(p99, 2),
    }


def compare(
    challenger: Ensemble, champion: Ensemble | None, sides: Sides, amounts: Split, rules: Gate, data: Path
) -> tuple[list[Check], dict[str, Any]]:
    """All of :func:`decide` that needs no server: the checks, and the numbers they stand on."""
    holdout = sides.holdout
    for role, model in ((CHALLENGER, challenger), (CHAMPION, champion)):
        if model and (seen := _seen(model, holdout, amounts)):
            raise UserError(
                f"the {role} was trained on {seen}, and {sides.label} is held out: no model is judged by what it has "
                "learnt from, or by what came before that. Push newer data, or raise split.holdout in params.yaml and "
                "train again."
            )
    new = score(challenger, holdout, data)
    old = None if champion is None else score(champion, holdout, data)
    parts = slices(holdout, new.predicted, None if old is None else old.predicted)
    checks = _limits(new, rules)
    difference = None
    if old is not None:
        difference = _difference(new, old, sides, rules)
        checks += [_better(difference, rules), _no_slice_dropped(parts, rules)]
    return checks, {
        "scores": {CHALLENGER: new.scores, CHAMPION: old and old.scores},
        "difference": difference,
        "slices": [as_json(part) for part in parts],
    }


def _seen(model: Ensemble, holdout: Rows, amounts: Split) -> str:
    """What a model has learnt from that it must not have, in words: of parts in order of time, also what came later."""
    if isinstance(PROBLEM.split, ByTime):
        return ", ".join(part for part in model.metadata["trained_on"] if part >= holdout.names[0])
    return seen_by(model, holdout, amounts)


def _difference(new: Scored, old: Scored, sides: Sides, rules: Gate) -> dict[str, Any]:
    """By how much the challenger is better in what decides, with its interval.

    Raises:
        UserError: too few units are held out for an interval that means anything.
    """
    metric, holdout = PROBLEM.decides, sides.holdout
    units = holdout.units()
    if (number := int(units.max()) + 1) < LEAST_UNITS:
        what = f"different {PROBLEM.drawn_by}" if PROBLEM.drawn_by else "rows"
        raise UserError(
            f"the hold-out ({sides.label}) has {number} {what}, and from fewer than {LEAST_UNITS} nobody can say which "
            "model is better: wait for more data, or raise split.holdout in params.yaml."
        )
    low, high = bootstrap_difference(
        metric, holdout.answers(), new.predicted, old.predicted, units, rules.resamples, rules.confidence,
        holdout.groups(),
    )  # fmt: skip
    if np.isnan(low):
        raise UserError(f"{metric.title} is not defined on the hold-out ({sides.label}), so nothing can be compared.")
    return {
        "metric": metric.name,
        "gain": round(metric.gain(new.scores[metric.name], old.scores[metric.name]), 6),
        "low": round(low, 6),
        "high": round(high, 6),
        "confidence": rules.confidence,
    }


def _limits(new: Scored, rules: Gate) -> list[Check]:
    """The floors and ceilings of params.yaml, in the order of the problem's metrics."""
    checks = []
    for name, metric in PROBLEM.metric.items():
        for kind, words, limits in (("floor", "at least", rules.floors), ("ceiling", "at most", rules.ceilings)):
            if name in limits:
                value, limit = new.scores[name], limits[name]
                met = value >= limit if kind == "floor" else value <= limit
                reason = f"{metric.title} is {value:.4f}; {words} {limit:g}"
                checks.append(Check(f"{kind}: {metric.title}", met, reason))
    return checks


def _in_time(p99: float, rules: Gate) -> Check:
    return Check(
        "latency",
        p99 <= rules.latency_p99_ms,
        f"one {PROBLEM.name.one} is answered in {p99:.1f} ms at the 99th percentile; "
        f"at most {rules.latency_p99_ms:g} ms",
    )


def _better(difference: dict[str, Any], rules: Gate) -> Check:
    return Check(
        "better than the champion",
        difference["low"] > rules.margin,
        f"better in {PROBLEM.decides.title} by {difference['gain']:+.4f}, {rules.confidence:.0%} interval "
        f"{difference['low']:+.4f} to {difference['high']:+.4f}; its lower end must exceed {rules.margin:g}",
    )


def _no_slice_dropped(parts: list[Slice], rules: Gate) -> Check:
    if not parts:
        return Check("no slice drops", True, "the problem is not sliced")
    judged = [part for part in parts if part.rows >= rules.slice_min_rows and part.drop is not None]
    worst = max(judged, key=lambda part: part.drop or 0.0, default=None)
    if worst is None:
        return Check("no slice drops", True, f"no slice has {rules.slice_min_rows} rows, so none is judged")
    dropped = [part for part in judged if (part.drop or 0.0) > rules.slice_max_drop]
    said = ", ".join(f"{part.name} by {part.drop:.4f}" for part in dropped[:5])
    title = PROBLEM.decides.title
    return Check(
        "no slice drops",
        not dropped,
        f"{said} of {title}; at most {rules.slice_max_drop:g}"
        if dropped
        else f"of {len(judged)} slices {worst.name} fares worst, better in {title} by {-(worst.drop or 0):+.4f}; "
        f"at worst {-rules.slice_max_drop:g}",
    )
