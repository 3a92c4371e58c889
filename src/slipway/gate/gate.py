"""Hold the challenger against the champion and decide.

  gate                    the version with the alias challenger against the one with the alias champion
  gate --challenger flight-delay/7 --set-champion
                          this version; when it passes, it is given the alias champion
  gate --challenger models/challenger --champion models/current
                          two folders, without a registry

Both are scored afresh on the same hold-out, which must be newer than all that either has learnt from. The challenger
passes when it meets the floors, is better by the margin with the confidence asked for (paired bootstrap), drops in no
carrier or origin, and answers in time in the real server. Without a champion the floors and the time decide. Every
number is in params.yaml under gate.

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
from slipway.gate.comparison import Scored, Slice, as_json, bootstrap_auc_difference, score, slices
from slipway.gate.decision import DECISION, PAGE, as_markdown, keep, kept
from slipway.learning.ensemble import Ensemble, load_ensemble
from slipway.learning.matrices import MADE_BY, PREPARED, Months, load_months, split
from slipway.names import load_names
from slipway.params import Gate, load_params
from slipway.serving.served import latencies, served

OUT = Path("build/gate")
FLIGHTS = Path("data/flights")
CHAMPION, CHALLENGER = "champion", "challenger"
LATENCY_REQUESTS = 300
LEAST_DAYS = 10
"""From how many days on an interval of drawn days means anything."""
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
    parser.add_argument("--data", type=Path, default=FLIGHTS, metavar="DIR", help="default: %(default)s")
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
    if args.data != FLIGHTS and not args.data.is_dir():
        raise UserError(f"--data {args.data}: there is no such folder.")
    params, name = load_params(), load_names().model
    holdout = split(load_months(args.prepared), params.split.validation_months, params.split.holdout_months).holdout
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
    decision = decide(contender.model, champion, holdout, params.gate, sample, args.data, args.out / "server.log")
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
    holdout: Months,
    rules: Gate,
    sample: list[dict[str, Any]],
    flights: Path,
    server_log: Path,
) -> dict[str, Any]:
    """Compare, time, and decide.

    Args:
        challenger: who wants in.
        champion: who is in; None when nobody is.
        holdout: the newest months, unknown to both.
        rules: the gate's numbers.
        sample: rows of the hold-out as a client sends them, for the latency.
        flights: the months' own rows, for a model with other features than today's.
        server_log: where the server that is timed writes.

    Returns:
        The decision as it is stored, without the models' names: passed, held_out, rows, checks, scores, difference,
        slices, latency_p99_ms.

    Raises:
        UserError: one of the two has learnt from the hold-out or from what came after it.
    """
    checks, evidence = compare(challenger, champion, holdout, rules, flights)
    with served(challenger.folder, CHALLENGER, server_log) as address:
        p99 = float(np.percentile(latencies(address, sample, LATENCY_REQUESTS), 99))
    checks.append(_in_time(p99, rules))
    return {
        "passed": all(check.passed for check in checks),
        "held_out": holdout.names,
        "rows": holdout.rows,
        "checks": [vars(check) for check in checks],
        **evidence,
        "latency_p99_ms": round(p99, 2),
    }


def compare(
    challenger: Ensemble, champion: Ensemble | None, holdout: Months, rules: Gate, flights: Path
) -> tuple[list[Check], dict[str, Any]]:
    """All of :func:`decide` that needs no server: the checks, and the numbers they stand on."""
    for role, model in ((CHALLENGER, challenger), (CHAMPION, champion)):
        if model and (seen := [month for month in model.metadata["trained_on"] if month >= holdout.names[0]]):
            raise UserError(
                f"the {role} was trained on {', '.join(seen)}, and {', '.join(holdout.names)} is held out: no model is "
                "judged by what it has learnt from, or by what came before that. Push a newer month, or raise "
                "split.holdout_months in params.yaml and train again."
            )
    new = score(challenger, holdout, flights)
    old = None if champion is None else score(champion, holdout, flights)
    parts = slices(holdout, new.probabilities, None if old is None else old.probabilities)
    checks = _floors(new, rules)
    difference = None
    if old is not None:
        days = holdout.days()
        if (number := int(days.max()) + 1) < LEAST_DAYS:
            raise UserError(
                f"{', '.join(holdout.names)} has flights on {number} days, and from fewer than {LEAST_DAYS} nobody "
                "can say which model is better: wait for the rest of the month, or raise split.holdout_months in "
                "params.yaml."
            )
        low, high = bootstrap_auc_difference(
            holdout.answers(),
            new.probabilities,
            old.probabilities,
            days,
            rules.resamples,
            rules.confidence,
        )
        difference = {
            "auc": round(new.scores["auc"] - old.scores["auc"], 6),
            "low": round(low, 6),
            "high": round(high, 6),
            "confidence": rules.confidence,
        }
        checks += [_better(difference, rules), _no_slice_dropped(parts, rules)]
    return checks, {
        "scores": {CHALLENGER: new.scores, CHAMPION: old and old.scores},
        "difference": difference,
        "slices": [as_json(part) for part in parts],
    }


def _floors(new: Scored, rules: Gate) -> list[Check]:
    limits = [
        ("auc", "at least", rules.floor_auc, new.scores["auc"] >= rules.floor_auc),
        ("logloss", "at most", rules.ceiling_logloss, new.scores["logloss"] <= rules.ceiling_logloss),
        ("ece", "at most", rules.ceiling_ece, new.scores["ece"] <= rules.ceiling_ece),
    ]
    names = {"auc": "AUC", "logloss": "log loss", "ece": "calibration error"}
    return [
        Check(f"floor: {names[metric]}", met, f"{names[metric]} is {new.scores[metric]:.4f}; {words} {limit:g}")
        for metric, words, limit, met in limits
    ]


def _in_time(p99: float, rules: Gate) -> Check:
    return Check(
        "latency",
        p99 <= rules.latency_p99_ms,
        f"one flight is answered in {p99:.1f} ms at the 99th percentile; at most {rules.latency_p99_ms:g} ms",
    )


def _better(difference: dict[str, float], rules: Gate) -> Check:
    return Check(
        "better than the champion",
        difference["low"] > rules.margin,
        f"AUC differs by {difference['auc']:+.4f}, {rules.confidence:.0%} interval {difference['low']:+.4f} to "
        f"{difference['high']:+.4f}; its lower end must exceed {rules.margin:g}",
    )


def _no_slice_dropped(parts: list[Slice], rules: Gate) -> Check:
    judged = [part for part in parts if part.rows >= rules.slice_min_rows and part.drop is not None]
    worst = max(judged, key=lambda part: part.drop or 0.0, default=None)
    if worst is None:
        return Check("no slice drops", True, f"no slice has {rules.slice_min_rows} rows, so none is judged")
    dropped = [part for part in judged if (part.drop or 0.0) > rules.slice_max_drop]
    said = ", ".join(f"{part.name} by {part.drop:.4f}" for part in dropped[:5])
    return Check(
        "no slice drops",
        not dropped,
        f"{said} of AUC; at most {rules.slice_max_drop:g}"
        if dropped
        else f"of {len(judged)} slices {worst.name} fares worst, with AUC {-(worst.drop or 0):+.4f}; "
        f"at worst {-rules.slice_max_drop:g}",
    )
