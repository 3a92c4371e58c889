"""The server beside its peers, near its limit and past it, on this machine.

  python -m benchmarks.serving             some ten minutes, the first time longer: each peer gets an environment of its
                                           own under build/benchmarks
  python -m benchmarks.serving --only "slipway; the same server, a constant" --rounds 1 --seconds 1

Needs models/current (`make repro`), wrk and Go (Debian's packages wrk and golang): Go builds the graph's executor and
vegeta. All peers run at once and one is asked at a time, in turns, round by round, so that what disturbs the machine
disturbs all. Writes benchmarks/results/serving.json after every turn, and docs/images/serving-latency.png; the exit
code is 1 when a goal is missed. Absolute rates are this machine's at this hour; the ratios and the CPU time a request
are what carries over. All load goes to 127.0.0.1.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.report import judge, write
from benchmarks.serving import report
from benchmarks.serving.load import closed
from benchmarks.serving.peers import PEERS, SLIPWAY, WORK, Running, compiled
from benchmarks.serving.stress import goals as stress_goals
from benchmarks.serving.stress import stress
from slipway.files import read_json

CLIENTS = (1, 8, 32, 100)
ROWS = (1, 32)
PICTURE = Path("docs/images/serving-latency.png")


def main() -> int:
    """Start, measure in turns, judge, write down."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    names = [peer.name for peer in PEERS]
    parser.add_argument("--only", default="", metavar="NAMES", help=f"some of: {'; '.join(names)}; separated by ;")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=2, help="of each measurement")
    parser.add_argument("--clients", default=",".join(map(str, CLIENTS)), metavar="N,N", help="default: %(default)s")
    parser.add_argument("--model", type=Path, default=Path("models/current"))
    parser.add_argument("--rows", type=Path, default=Path("data/prepared/sample.json"))
    args = parser.parse_args()
    for tool in ("wrk", "go"):
        if not shutil.which(tool):
            print(f"benchmarks.serving: {tool} is not installed.", file=sys.stderr)
            return 2
    only = [name.strip() for name in args.only.split(";") if name.strip()]
    if unknown := set(only) - set(names):
        print(f"benchmarks.serving: no such peer: {', '.join(unknown)}; there are: {'; '.join(names)}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the peers are ended too
    WORK.mkdir(parents=True, exist_ok=True)
    for old in WORK.glob("*.json"):
        old.unlink()
    model = compiled(args.model)
    rows = read_json(args.rows, "python -m slipway prepare")
    figures: dict[str, Any] = {"rounds": 0, "results": [], "goals": []}
    measured: list[dict[str, Any]] = []
    peers: list[Running] = []
    try:
        for peer in PEERS:
            if not only or peer.name in only:
                peers.append(Running(peer, model, rows))
                peers[-1].wait()
        figures["largest_difference"] = {one.peer.name: one.difference() for one in peers if one.peer.predicts}
        figures["idle_cpu_share"] = idle(peers)
        for turn in range(args.rounds):
            for count in ROWS:
                for clients in map(int, args.clients.split(",")):
                    for one in peers:
                        if turn == 0:
                            closed(one, count, clients, 1)  # warm
                            one.rest()
                        setting = {"peer": one.peer.name, "rows": count, "clients": clients}
                        measured.append(setting | closed(one, count, clients, args.seconds))
                        print(measured[-1], flush=True)
                        one.rest()
                    figures["results"] = report.summarised(measured)
                    save(figures)
            figures["rounds"] = turn + 1
    finally:
        for one in peers:
            one.stop()
    if not only or SLIPWAY in only:
        figures["stress"] = stress(model, rows)
    save(figures)
    if not only:
        report.picture(figures["results"], PICTURE)
    print(report.tables(figures["results"], figures["goals"]))
    missed = [goal for goal in figures["goals"] if not goal["met"]]
    print(f"\n{len(figures['goals']) - len(missed)} goals met, {len(missed)} missed")
    return 1 if missed else 0


def idle(peers: list[Running]) -> dict[str, float]:
    """What share of a core each takes while nobody asks: they run beside the one that is measured."""
    seconds = 3.0
    before = [one.cpu() for one in peers]
    time.sleep(seconds)
    return {one.peer.name: round((one.cpu() - b) / seconds, 3) for one, b in zip(peers, before, strict=True)}


def save(figures: dict[str, Any]) -> None:
    """Judge and write what there is so far."""
    figures["goals"] = report.goals(figures["results"])
    if "stress" in figures:
        figures["goals"] += stress_goals(figures["stress"])
    judge(figures["goals"])
    write("serving", figures)


if __name__ == "__main__":
    sys.exit(main())
