"""What DVC knows: how metrics and parameters differ between two commits, and which outputs are out of date.

One process and one open repository, because importing DVC takes longer than all of its answers together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slipway.errors import UserError
from slipway.files import read_yaml
from slipway.learning.provenance import unknown_to_dvc
from slipway.report.document import Code, Inline, Line
from slipway.report.revision import git

LOCK = Path("dvc.lock")
PIPELINE = Path("dvc.yaml")
_NAMED = 3


@dataclass(frozen=True)
class Change:
    """A value before and after; None where it was not, or is no more."""

    before: Any
    after: Any

    @property
    def changed(self) -> bool:
        """Do the two differ?"""
        return bool(self.before != self.after)


@dataclass(frozen=True)
class Differences:
    """Every metric and every parameter by name, changed or not, and a sentence for each reason not to trust them."""

    metrics: Mapping[str, Change]
    params: Mapping[str, Change]
    stale: list[Line] = field(default_factory=list)


def differences(base: str | None) -> Differences:
    """Compare the work tree with commit ``base``; with None, nothing was before.

    Raises:
        UserError: this is no DVC repository, or one of DVC's files is broken.
    """
    from dvc.exceptions import DvcException, NotDvcRepoError
    from dvc.repo import Repo

    try:
        with Repo() as repo:
            if base is None:
                metrics, params = _first(repo.metrics.show()), _first(repo.params.show())
            else:
                revisions = {"a_rev": base, "b_rev": "workspace", "all": True}
                metrics, params = _both(repo.metrics.diff(**revisions)), _both(repo.params.diff(**revisions))
            status = repo.status()
    except NotDvcRepoError:
        raise UserError("this folder is in no DVC repository: run the report in the repository's root.") from None
    except DvcException as error:
        raise UserError(f"DVC cannot read the pipeline: {' '.join(str(error).split())}") from None
    return Differences(metrics, params, stale_outputs(status))


def _both(found: Mapping[str, Any]) -> dict[str, Change]:
    files = found.get("diff", {})
    return _named(
        {
            path: {name: Change(values["old"], values["new"]) for name, values in entries.items()}
            for path, entries in files.items()
        }
    )


def _first(found: Mapping[str, Any]) -> dict[str, Change]:
    """What there is now, with nothing before it: DVC's answer for the work tree, flat as its differences are."""
    files = found.get("", {}).get("data", {})
    return _named(
        {
            path: {name: Change(None, value) for name, value in _flat(entries.get("data") or {}).items()}
            for path, entries in files.items()
        }
    )


def _flat(values: Mapping[str, Any], lead: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= _flat(value, f"{lead}{name}.") if isinstance(value, Mapping) else {f"{lead}{name}": value}
    return found


def _named(files: Mapping[str, Mapping[str, Change]]) -> dict[str, Change]:
    """By plain name where one file is compared, else with the file's name before it."""
    return {
        name if len(files) == 1 else f"{path}: {name}": change
        for path, entries in sorted(files.items())
        for name, change in sorted(entries.items())
    }


def stale_outputs(status: Mapping[str, Any]) -> list[Line]:
    """Sentences on what is out of date, from `dvc status`. Data that was never fetched is not out of date."""
    again: tuple[Inline, ...] = (": run ", Code("dvc repro"), ".")
    if not LOCK.exists():
        return [(Code(str(LOCK)), " is missing, so nothing says what the outputs were made from", *again)]
    sentences = unknown_code()
    for stage, reports in sorted(status.items()):
        entries = [report for report in reports if isinstance(report, dict)]
        inputs = _changed(entries, "changed deps")
        outputs = _changed(entries, "changed outs")
        if stage.endswith(".dvc"):
            if outputs:
                add = Code(f"dvc add {outputs[0]}")
                sentences.append(
                    (
                        Code(outputs[0]),
                        " is not what ",
                        Code(stage),
                        " says: run ",
                        add,
                        " and ",
                        Code("dvc repro"),
                        ".",
                    )
                )
        elif inputs:
            sentences.append(("Stage ", Code(stage), " is out of date, because of ", *_few(inputs), *again))
        elif outputs:
            sentences.append((*_few(outputs), " is not what stage ", Code(stage), " wrote", *again))
        elif "changed command" in reports:
            sentences.append(("Stage ", Code(stage), " has another command than when it ran", *again))
    return sentences


def unknown_code() -> list[Line]:
    """Sentences on code that a stage runs and dvc.yaml does not know of: DVC then says that all is up to date."""
    if not PIPELINE.exists():
        return []
    missing: dict[str, list[str]] = {}
    for stage, path in unknown_to_dvc(read_yaml(PIPELINE)):
        missing.setdefault(path, []).append(stage)
    return [
        (
            Code(path),
            f" decides what {' and '.join(stages)} makes, and DVC does not look at it: add it to deps in ",
            Code(str(PIPELINE)),
            " and run ",
            Code("dvc repro"),
            ".",
        )
        for path, stages in missing.items()
    ]


def _changed(reports: list[dict[str, Any]], kind: str) -> list[str]:
    """The changed paths and parameters; what is deleted counts only when it is one of Git's files."""
    found: list[str] = []
    for report in reports:
        for path, state in report.get(kind, {}).items():
            if isinstance(state, dict):  # a parameters file: its keys
                found += [f"{path}:{key}" for key in state]
            elif state in ("modified", "new") or (state == "deleted" and git("ls-files", "--error-unmatch", path)):
                found.append(path)
    return found


def _few(names: list[str]) -> tuple[Inline, ...]:
    parts: list[Inline] = []
    for name in names[:_NAMED]:
        parts += [", " if parts else "", Code(name)]
    more = len(names) - _NAMED
    return (*parts, f" and {more} more" if more > 0 else "")
