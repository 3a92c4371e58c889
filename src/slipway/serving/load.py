"""Send real rows to a server and hold it to its promises.

  load --url http://127.0.0.1:8080
                          10 s, 8 users
  load --url … --shape ramp --seconds 60 --users 50
                          users are added all along; also: soak (the same for long), spike (five times as many in the
                          middle third)
  load --url … --p99-ms 50 --failure-share 0.001
                          the promises: exit code 1 when one is broken

Locust sends loadtest/locustfile.py's mix: one row, many rows, V2, and now and then a row that is wrong on purpose. A
wrong row must be refused with a 4xx and is counted apart; being turned away (503, 429) is told from an error, and an
error from no answer. Writes load.json, load.prom and Locust's report.html to --out. Only sends to this machine,
unless --allow-remote says otherwise.
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from slipway.errors import UserError
from slipway.files import read_json, write_json, write_text
from slipway.serving.served import name_here

LOCUSTFILE = Path("loadtest/locustfile.py")
SHAPES = ("steady", "ramp", "soak", "spike")
SETTINGS = "SLIPWAY_LOAD"
"""The environment variable that carries a run's settings, as JSON, to the locustfile."""
LATENCIES_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
OUTCOMES = ("answered", "refused", "turned_away", "server_error", "wrong_answer", "no_answer")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `slipway load`."""
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="default: %(default)s")
    parser.add_argument("--name", help="the model's name for V2, default: as slipway.yaml, where there is one")
    parser.add_argument("--seconds", type=int, default=10, metavar="S", help="default: %(default)s")
    parser.add_argument("--users", type=int, default=8, metavar="N", help="at most, default: %(default)s")
    parser.add_argument("--shape", choices=SHAPES, default="steady", help="default: %(default)s")
    parser.add_argument(
        "--pause-ms", type=float, default=0.0, metavar="MS", help="a user's rest after an answer, default: %(default)s"
    )
    parser.add_argument(
        "--rows", type=Path, default=Path("data/prepared/sample.json"), metavar="FILE", help="default: %(default)s"
    )
    parser.add_argument(
        "--bad-share", type=float, default=0.02, metavar="X", help="share of wrong rows, default: %(default)s"
    )
    parser.add_argument("--p99-ms", type=float, default=250.0, metavar="MS", help="promise, default: %(default)s")
    parser.add_argument("--failure-share", type=float, default=0.001, metavar="X", help="promise, default: %(default)s")
    parser.add_argument("--out", type=Path, default=Path("build/load"), metavar="DIR", help="default: %(default)s")
    parser.add_argument("--allow-remote", action="store_true", help="send to another machine than this one")


def run(args: argparse.Namespace) -> int:
    """Send, write down, judge."""
    if args.seconds < 1 or args.users < 1 or not 0 <= args.bad_share < 1 or args.pause_ms < 0:
        raise UserError("--seconds and --users must be 1 or more, --bad-share from 0 to below 1, --pause-ms 0 or more.")
    args.url = check_target(args.url, args.allow_remote)
    rows = read_json(args.rows, "python -m slipway prepare")
    if not isinstance(rows, list) or not rows:
        raise UserError(f"{args.rows} holds no rows: expected a list of them, as `python -m slipway prepare` writes.")
    check_answers(args.url)
    args.name = args.name or name_here()
    report = send(args)
    report["promises"] = judge(report, args.p99_ms, args.failure_share)
    write_json(args.out / "load.json", report)
    write_text(args.out / "load.prom", as_prometheus(report))
    print(summary(report))
    return 0 if report["promises"]["kept"] else 1


def check_answers(url: str) -> None:
    """See that a server is there at all: without one, every figure would be of nothing.

    Raises:
        UserError: nobody listens at ``url``.
    """
    parts = urlsplit(url)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        socket.create_connection((str(parts.hostname), port), timeout=5).close()
    except (OSError, ValueError) as error:
        raise UserError(f"no server listens at {url} ({error}): `make serve` starts one.") from None


def check_target(url: str, allow_remote: bool) -> str:
    """See that the load goes where it may, and return the address that the server's paths are added to.

    A path before them is kept: a proxy may need it. A slash at its end is not.

    Raises:
        UserError: ``url`` is no http address, or is not this machine and ``allow_remote`` is not given.
    """
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True)
    except ValueError:  # a bracket too many, or a port that is none
        known = False
    if not known or parts.query or parts.fragment:
        raise UserError(f"--url {url}: expected http://host:port, with a path where a proxy needs one, and no query.")
    try:
        here = ipaddress.ip_address(str(parts.hostname)).is_loopback
    except ValueError:
        here = parts.hostname == "localhost"
    if not here and not allow_remote:
        raise UserError(f"--url {url} is not this machine: load on others needs --allow-remote.")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def send(args: argparse.Namespace) -> dict[str, Any]:
    """Run Locust in a process of its own (it patches sockets) and return what its recorder wrote.

    Raises:
        UserError: Locust ended without a single request.
    """
    if not LOCUSTFILE.exists():
        raise UserError(f"{LOCUSTFILE} is missing: run this in the repository's root.")
    args.out.mkdir(parents=True, exist_ok=True)
    record = args.out / "record.json"
    record.unlink(missing_ok=True)
    settings = {
        name: getattr(args, name) for name in ("name", "seconds", "users", "shape", "pause_ms", "bad_share")
    } | {"rows": str(args.rows), "record": str(record)}
    command = [
        *(sys.executable, "-m", "locust", "--locustfile", str(LOCUSTFILE), "--headless", "--only-summary"),
        *("--host", args.url, "--users", str(args.users), "--spawn-rate", str(args.users)),
        *("--run-time", f"{args.seconds}s", "--stop-timeout", "30", "--html", str(args.out / "report.html")),
        *("--exit-code-on-error", "0", "--loglevel", "WARNING"),
    ]
    ended = subprocess.run(
        command, env={**os.environ, SETTINGS: json.dumps(settings)}, capture_output=True, text=True, check=False
    )
    if not record.exists():
        raise UserError(f"Locust ended with code {ended.returncode} and sent nothing: {ended.stderr.strip()[-500:]}")
    report: dict[str, Any] = read_json(record, "python -m slipway load")
    record.unlink()
    if not report["requests"] and not report["bad_rows"]["requests"]:
        raise UserError(f"not one request was sent to {args.url}: {ended.stderr.strip()[-500:]}")
    return {"url": args.url} | settings | report


class Recorder:
    """Counts what came back, by second, and tells bad requests from a bad server."""

    def __init__(self) -> None:
        self.start()
        self._outcomes: Counter[str] = Counter()
        self._bad: Counter[str] = Counter()
        self._paths: dict[str, Counter[float]] = {}
        self._seconds: dict[int, Counter[float]] = {}
        self._failures: Counter[int] = Counter()
        self._users: dict[int, int] = {}

    def start(self) -> None:
        """Count the seconds from now on."""
        self._started = time.monotonic()

    def good(self, path: str, outcome: str, milliseconds: float, users: int) -> None:
        """A right request came back as ``outcome``, one of ``OUTCOMES``; all but "answered" are failures."""
        second = int(time.monotonic() - self._started)
        self._outcomes[outcome] += 1
        self._users[second] = users
        if outcome == "answered":
            rounded = round(milliseconds, 1 if milliseconds < 100 else 0)
            self._paths.setdefault(path, Counter())[rounded] += 1
            self._seconds.setdefault(second, Counter())[rounded] += 1
        else:
            self._failures[second] += 1

    def bad(self, outcome: str) -> None:
        """A request that was wrong on purpose came back as ``outcome``; "refused" is right."""
        self._bad[outcome] += 1

    def report(self) -> dict[str, Any]:
        """Everything, ready for JSON; latencies are those of answered requests."""
        lasted = max(time.monotonic() - self._started, 1e-9)
        every: Counter[float] = sum(self._seconds.values(), Counter())
        requests = sum(self._outcomes.values())
        failures = requests - self._outcomes["answered"]
        seconds = range(max([*self._seconds, *self._failures], default=-1) + 1)
        return {
            "lasted_seconds": round(lasted, 2),
            "requests": requests,
            "failures": failures,
            "failure_share": failures / requests if requests else 0.0,
            "rps": requests / lasted,
            **_latency(every),
            "outcomes": {name: self._outcomes[name] for name in OUTCOMES},
            "bad_rows": {"requests": self._bad.total(), **{name: self._bad[name] for name in OUTCOMES}},
            "paths": {
                name: {"answered": counts.total(), **_latency(counts)} for name, counts in sorted(self._paths.items())
            },
            "histogram": [
                {"le_ms": top, "count": sum(n for ms, n in every.items() if ms <= top)} for top in LATENCIES_MS
            ],
            "series": [
                {
                    "second": second,
                    "users": self._users.get(second, 0),
                    "rps": self._seconds.get(second, Counter()).total(),
                    "failures": self._failures[second],
                    **_latency(self._seconds.get(second, Counter())),
                }
                for second in seconds
            ],
        }


def _latency(counts: Mapping[float, int]) -> dict[str, float | None]:
    """p50, p95, p99 and the largest, in milliseconds, by the nearest rank; None where nothing was answered."""
    total = sum(counts.values())
    wanted = {"p50_ms": 0.50, "p95_ms": 0.95, "p99_ms": 0.99, "max_ms": 1.0}
    if not total:
        return dict.fromkeys(wanted)
    found: dict[str, float | None] = {}
    names = iter(wanted.items())
    name, share = next(names)
    seen = 0
    for value, count in sorted(counts.items()):
        seen += count
        while seen >= share * total:
            found[name] = value
            name, share = next(names, ("", 2.0))
    return found


def judge(report: dict[str, Any], p99_ms: float, failure_share: float) -> dict[str, Any]:
    """The promises, and a sentence for each that was broken."""
    broken = []
    if report["p99_ms"] is None:
        nobody = report["outcomes"]["no_answer"] == report["requests"]
        broken.append(f"nobody answered at {report['url']}." if nobody else "not one right request was answered.")
    elif report["p99_ms"] > p99_ms:
        broken.append(f"p99 was {report['p99_ms']} ms, promised {p99_ms:g} ms.")
    if report["failure_share"] > failure_share:
        outcomes = ", ".join(
            f"{count} {name.replace('_', ' ')}"
            for name, count in report["outcomes"].items()
            if count and name != "answered"
        )
        broken.append(f"{report['failure_share']:.2%} failed ({outcomes}), promised {failure_share:.2%} at most.")
    wrong = {
        name: n for name, n in report["bad_rows"].items() if n and name not in ("requests", "refused", "turned_away")
    }
    if wrong:
        broken.append(f"rows that were wrong on purpose were not refused: {wrong}.")
    return {"p99_ms": p99_ms, "failure_share": failure_share, "kept": not broken, "broken": broken}


def as_prometheus(report: dict[str, Any]) -> str:
    """The figures in Prometheus' text format, for a textfile collector."""
    lines = [
        "# HELP slipway_load_requests Requests of the last load test by outcome.",
        "# TYPE slipway_load_requests gauge",
    ]
    lines += [f'slipway_load_requests{{outcome="{name}"}} {count}' for name, count in report["outcomes"].items()]
    lines += ["# HELP slipway_load_seconds Latency of answered requests.", "# TYPE slipway_load_seconds gauge"]
    for name, share in (("p50_ms", "0.5"), ("p95_ms", "0.95"), ("p99_ms", "0.99")):
        if report[name] is not None:
            lines.append(f'slipway_load_seconds{{quantile="{share}"}} {report[name] / 1000:g}')
    lines += [
        "# HELP slipway_load_promises_kept 1 when every promise was kept.",
        "# TYPE slipway_load_promises_kept gauge",
    ]
    lines.append(f"slipway_load_promises_kept {int(report['promises']['kept'])}")
    return "\n".join(lines) + "\n"


def summary(report: dict[str, Any]) -> str:
    """What a person reads at the end."""
    bad = report["bad_rows"]
    latency = ", ".join(f"{name} {report[f'{name}_ms']} ms" for name in ("p50", "p95", "p99"))
    lines = [
        f"{report['requests']:,} requests in {report['seconds']} s by {report['users']} users: {report['rps']:,.0f}/s, "
        f"{latency if report['p99_ms'] is not None else 'none answered'}",
        f"failures: {report['failures']} ({report['failure_share']:.2%}); "
        f"wrong on purpose: {bad['requests']}, refused as they should be: {bad['refused']}",
        *(f"BROKEN: {sentence}" for sentence in report["promises"]["broken"]),
    ]
    return "\n".join(lines)
