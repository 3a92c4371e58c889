"""Run a verb on files whose digests are checked first, and note the digest of what it made.

  sealed --opens build/tune/top.json=5891b5… --seals models/challenger --notes build/sealed -- train --final …

In the workflow what one pod makes reaches the next through storage that others may write to. The digest goes another
way, as a parameter of the workflow; what does not fit it is not used. Exit code: the verb's own; 2 when a file is not
the one that was made.

  sealed --verdict build/sealed -- gate …

also takes the verb's own "no" (exit code 1) for an answer: it writes `passed` or `refused`, and ends with 0.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

from slipway.errors import UserError
from slipway.files import write_text

SHA256, VERDICT = "sha256", "verdict"
PASSED, REFUSED = "passed", "refused"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `slipway sealed`."""
    parser.add_argument(
        "--opens", action="append", default=[], metavar="PATH=SHA256", help="a file or folder to check; repeatable"
    )
    parser.add_argument("--seals", type=Path, metavar="PATH", help="a file or folder that the verb makes")
    parser.add_argument("--verdict", action="store_true", help="the verb's exit codes 0 and 1 are answers")
    parser.add_argument(
        "--notes", type=Path, default=Path("build/sealed"), metavar="DIR", help="where digest and verdict go"
    )
    parser.add_argument("verb", nargs=argparse.REMAINDER, metavar="-- VERB …", help="the verb and its flags")


def run(args: argparse.Namespace) -> int:
    """Open, run, seal."""
    from slipway.__main__ import main

    for name, digest in map(_pair, args.opens):
        if (found := digest_of(Path(name))) != digest:
            raise UserError(
                f"{name} is not what the step before made: its SHA-256 is {found[:12]}… and not {digest[:12]}…. "
                "Somebody changed it in the artifacts' storage; start the workflow again."
            )
    verb = args.verb[1:] if args.verb[:1] == ["--"] else args.verb
    if not verb:
        raise UserError("there is no verb: write it after `--`.")
    code = main(verb)
    if args.verdict and code in (0, 1):
        write_text(args.notes / VERDICT, REFUSED if code else PASSED)
        code = 0
    if args.seals and code == 0:
        write_text(args.notes / SHA256, digest_of(args.seals))
    return code


def digest_of(path: Path) -> str:
    """SHA-256 of a file, or over a folder's files, their paths and bytes.

    Raises:
        UserError: there is nothing.
    """
    from slipway.registry.registry import content_sha256

    if path.is_file():
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    return content_sha256(path)


def _pair(opens: str) -> tuple[str, str]:
    name, _, digest = opens.rpartition("=")
    if not name or len(digest) != 64:
        raise UserError(f"--opens is {opens!r}, expected PATH=SHA256.")
    return name, digest
