"""The one command line: ``python -m slipway <verb>``. Make, Actions and containers all call it."""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from types import FrameType, ModuleType

from slipway.addresses import masked
from slipway.errors import UserError

VERBS = {
    "data": ("slipway.learning.data", "check what you are about to push, or make the sample's data"),
    "prepare": (
        "slipway.learning.prepare",
        "turn the data into matrices, one a part, and describe it",
    ),
    "train": ("slipway.learning.train", "train: a trial, or a candidate for release"),
    "evaluate": ("slipway.learning.evaluate", "score a model on what is held out and draw its plots"),
    "report": (
        "slipway.report.report",
        "what a change does to data, parameters and metrics, for a pull request",
    ),
    "tune": ("slipway.search.tune", "run k8s/katib/experiment.yaml on this machine"),
    "collect": ("slipway.search.collect", "take the best trials of a search"),
    "register": ("slipway.registry.register", "make a model a version in the registry"),
    "gate": ("slipway.gate.gate", "hold the challenger against the champion and decide"),
    "promote": ("slipway.release.promote", "write a model version into what an environment serves"),
    "trace": ("slipway.release.trace", "from a manifest or a version back to the data and the commit"),
    "image": ("slipway.release.image", "keep the Dockerfile's data layers in step with the data"),
    "refresh": ("slipway.github.refresh", "what a data push sets off: pull, check, repro, push, report"),
    "pin": ("slipway.release.pin", "pin the training image in k8s/katib/experiment.yaml"),
    "propose": ("slipway.github.propose", "open or update a pull request with what the work tree holds"),
    "comment": ("slipway.github.comment", "write a report on a pull request"),
    "promotion": ("slipway.release.promotion", "what a promotion changes, for its pull request"),
    "plan": ("slipway.cluster.plan", "whether a commit of main is to be searched, and with what"),
    "sealed": ("slipway.cluster.sealed", "run a verb on files whose digests are checked, and note its own"),
    "hand-over": ("slipway.cluster.hand_over", "ask GitHub to propose a version that the gate let in"),
    "answer": ("slipway.cluster.answer", "say on the commit and on Slack how a search ended"),
    "catch-up": ("slipway.cluster.catch_up", "start the search of a merge that no webhook told of"),
    "needs": ("slipway.github.needs", "whether a workflow has the secrets and variables it needs"),
    "redeliver": ("slipway.github.redeliver", "have GitHub deliver failed webhooks again"),
    "rules": ("slipway.github.rules", "apply .github/rulesets and the settings the workflows need"),
    "new": ("slipway.template.new", "write src/slipway/model for your data: guesses, and what only you know"),
    "platform": ("slipway.cluster.platform", "install what the loop runs on in a cluster, or say what is missing"),
    "init": ("slipway.template.init", "put your repository's names where the template has its own"),
    "sync": ("slipway.template.sync", "take what the template has learnt since, and leave what is yours alone"),
    "release": ("slipway.template.release", "publish a release of the template itself"),
    "serve": ("slipway.serving.serve", "answer requests with a model"),
    "load": ("slipway.serving.load", "send real rows to a server and hold it to its promises"),
    "demo": ("slipway.demo.demo", "the whole loop, in a scratch folder"),
}


def command_line() -> argparse.ArgumentParser:
    """The parser that knows every verb by name; a verb's own flags come from its module when it is called."""
    width = max(map(len, VERBS))
    verbs = "\n".join(f"  {verb:<{width}}  {summary}" for verb, (_, summary) in VERBS.items())
    parser = argparse.ArgumentParser(
        prog="slipway",
        description="Push data, merge, it ships.",
        epilog=f"verbs:\n{verbs}\n\n`python -m slipway <verb> --help` teaches each one.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="python -m slipway <verb> [options]",
    )
    parser.add_argument("verb", choices=VERBS, metavar="<verb>", help="one of the verbs below")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one verb. Exit codes: 0 done, 1 the verb's own "no" (a refused gate), 2 bad input, 75 try again later."""
    argv = sys.argv[1:] if argv is None else argv
    verb = command_line().parse_args(argv[:1]).verb
    try:
        module = _module(verb)
        parser = argparse.ArgumentParser(
            prog=f"python -m slipway {verb}",
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,  # a misspelt flag is not taken for another
        )
        module.add_arguments(parser)
        args = parser.parse_args(argv[1:])
        _STOPPED.clear()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) in (signal.default_int_handler, signal.SIG_DFL):  # not ignored, as by nohup
                signal.signal(number, _end_as_on_ctrl_c)
        code: int = module.run(args) or 0
        sys.stdout.flush()
        return code
    except UserError as error:
        sentence = f"slipway {verb}: {masked(str(error))}"
        print(sentence, file=sys.stderr)
        _leave_with_the_pod(sentence)
        return getattr(error, "exit_code", 2)  # see away.py
    except KeyboardInterrupt:
        return _stopped(verb)
    except BrokenPipeError:  # `slipway trace … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more as it ends
        return 0
    except Exception as error:
        if _STOPPED:  # a compiled module that is stopped while it loads makes an ImportError of it
            return _stopped(verb)
        if not isinstance(error, OSError) or not (said := _said(error)):
            _leave_with_the_pod(f"slipway {verb}: {type(error).__name__}: {masked(str(error))}")
            raise
        print(f"slipway {verb}: {said}", file=sys.stderr)
        _leave_with_the_pod(f"slipway {verb}: {said}")
        return 2


def _module(verb: str) -> ModuleType:
    """A verb's module. An image holds what its own verbs need, and no more."""
    try:
        return importlib.import_module(VERBS[verb][0])
    except ModuleNotFoundError as error:
        raise UserError(f"this verb needs {error.name}, which is not installed here.") from None


_TERMINATION_LOG, _TERMINATION_BYTES = Path("/dev/termination-log"), 1000
"""Kubernetes keeps 4096 bytes of it; a letter has four at most."""
_STOPPED: list[int] = []
"""The signals that were to end this verb."""


def _end_as_on_ctrl_c(number: int, frame: FrameType | None) -> None:
    """So that a verb which is ended tidies up: Python's own way is to drop dead, and leave its children.

    Who is impatient and asks again is not heard: that would leave behind what the first asked to end.
    """
    if not _STOPPED:
        _STOPPED.append(number)
        raise KeyboardInterrupt


def _leave_with_the_pod(sentence: str) -> None:
    """So that whoever looks at a container that failed sees why, and not the end of its log."""
    if _TERMINATION_LOG.is_file():  # in a pod, and nowhere else
        with suppress(OSError):
            _TERMINATION_LOG.write_text(f"{sentence[:_TERMINATION_BYTES]}\n", encoding="utf-8")


def _said(error: OSError) -> str | None:
    """What a verb did not foresee: a folder where a file should be, no right to read, a full disk."""
    if error.strerror and (error.filename is not None or error.errno == errno.ENOSPC):
        return f"{error.filename or 'writing'}: {error.strerror}."
    return None


def _stopped(verb: str) -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an impatient second Ctrl-C changes nothing now
    print(f"slipway {verb}: stopped.", file=sys.stderr)
    return 128 + (_STOPPED[0] if _STOPPED else signal.SIGINT)


if __name__ == "__main__":
    sys.exit(main())
