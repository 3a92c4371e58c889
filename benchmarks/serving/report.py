"""From measurements to goals, tables that docs/serving.md shows, and the picture."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from benchmarks.report import bound, table
from benchmarks.serving.peers import FLOOR, PEERS, SLIPWAY

AT_LEAST = {
    "Seldon graph": 12,
    "FastAPI + XGBoost": 4,
    "MLServer, same engine": 1.6,
    "MLServer, same engine, batching": 1.6,
    FLOOR: 0.7,
}
"""How many times a peer's rate is asked for."""


def summarised(measured: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The median of the rounds; of the CPU time the least, which neighbours disturb least."""
    keys = dict.fromkeys((m["peer"], m["rows"], m["clients"]) for m in measured)
    found = []
    for peer, rows, clients in keys:
        same = [m for m in measured if (m["peer"], m["rows"], m["clients"]) == (peer, rows, clients)]
        found.append(
            {"peer": peer, "rows": rows, "clients": clients, "rounds": len(same)}
            | {k: statistics.median(m[k] for m in same) for k in ("rps", "p50_ms", "p95_ms", "p99_ms", "rss_mb")}
            | {k: max(m[k] for m in same) for k in ("not_200", "lost")}
            | {"cpu_us": min(m["cpu_us"] for m in same)}
        )
    return found


def goals(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rate beside each peer, with the CPU time beside it, and p99 beside the best of them, for every setting."""
    found = []
    settings = dict.fromkeys((r["rows"], r["clients"]) for r in results)
    for rows, clients in settings:
        here = {r["peer"]: r for r in results if (r["rows"], r["clients"]) == (rows, clients)}
        own = here.get(SLIPWAY)
        if own is None:
            continue
        setting = {"rows": rows, "clients": clients}
        for peer, least in AT_LEAST.items():
            if peer in here:
                rate, cpu = own["rps"] / here[peer]["rps"], here[peer]["cpu_us"] / max(own["cpu_us"], 1)
                found.append(
                    {"goal": f"rate ÷ {peer}"} | setting
                    | {"measured": round(rate, 2), "at_least": least, "cpu_ratio": round(cpu, 2)}
                )  # fmt: skip
        others = [here[peer.name]["p99_ms"] for peer in PEERS if peer.predicts and peer.name in here]
        others.remove(own["p99_ms"])
        if others:
            ratio = own["p99_ms"] / max(min(others), 0.001)
            found.append({"goal": "p99 ÷ the best peer's"} | setting | {"measured": round(ratio, 2), "at_most": 1})
    return found


def tables(results: list[dict[str, Any]], judged: list[dict[str, Any]]) -> str:
    """Markdown: for each number of rows the peers, then the goals, met or **missed**."""
    parts = []
    for rows in dict.fromkeys(r["rows"] for r in results):
        clients = list(dict.fromkeys(r["clients"] for r in results if r["rows"] == rows))
        per = " / ".join(map(str, clients))
        header = [f"{rows} row{'s' * (rows > 1)} a request", *(f"req/s, {per} clients", f"p99 ms, {per}")]
        header += [f"CPU µs a request, {per}", "MB", "errors"]
        lines = []
        for peer in PEERS:
            same = [r for r in results if (r["peer"], r["rows"]) == (peer.name, rows)]
            if same:
                lines.append(
                    [
                        f"**{peer.name}**" if peer.name == SLIPWAY else peer.name,
                        " / ".join(f"{r['rps']:,.0f}" for r in same),
                        " / ".join(f"{r['p99_ms']:,.1f}" for r in same),
                        " / ".join(f"{r['cpu_us']:,}" for r in same),
                        f"{max(r['rss_mb'] for r in same):,.0f}",
                        sum(r["not_200"] + r["lost"] for r in same),
                    ]
                )
        parts.append(table(header, lines))
    parts.append(goal_table(judged))
    return "\n\n".join(parts)


def goal_table(judged: list[dict[str, Any]]) -> str:
    """One line a goal and number of rows, one cell a number of clients; in brackets the ratio of CPU time."""
    clients = list(dict.fromkeys(goal["clients"] for goal in judged if "clients" in goal))
    lines = []
    for name, rows in dict.fromkeys((goal["goal"], goal.get("rows")) for goal in judged):
        same = [goal for goal in judged if (goal["goal"], goal.get("rows")) == (name, rows)]
        cells = [*map(_cell, same), *[""] * (len(clients) - len(same))]
        lines.append([f"{name}{f', {rows} row' + 's' * (rows > 1) if rows else ''}", bound(same[0]), *cells])
    return table(["goal", "asked for", *(f"{n} client{'s' * (n > 1)}" for n in clients)], lines)


def _cell(goal: dict[str, Any]) -> str:
    figure = f"{goal['measured']:,}" if goal["met"] else f"**{goal['measured']:,}** missed"
    return figure + (f" ({goal['cpu_ratio']:,})" if "cpu_ratio" in goal else "")


def picture(results: list[dict[str, Any]], path: Path) -> None:
    """p99 and rate over the number of clients, one line a peer."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(11, 5), layout="constrained")
    for number, peer in enumerate(PEERS):
        points = sorted((r for r in results if r["peer"] == peer.name and r["rows"] == 1), key=lambda r: r["clients"])
        style: dict[str, Any] = {"linewidth": 1.2, "color": f"C{number}"}
        if peer.name == SLIPWAY:
            style = {"linewidth": 2.5, "color": "#0b6bcb"}
        elif not peer.predicts:
            style = {"linewidth": 1.2, "color": "#999999", "linestyle": "--" if peer.name == FLOOR else ":"}
        for axis, key in zip(axes, ("p99_ms", "rps"), strict=True):
            if points:
                axis.plot(
                    [r["clients"] for r in points], [r[key] for r in points], marker="o", label=peer.name, **style
                )
    for axis, title in zip(axes, ("p99 latency, ms", "requests a second"), strict=True):
        axis.set(xscale="log", yscale="log", xlabel="clients", title=f"{title} (one row a request)")
        shown = sorted({r["clients"] for r in results})
        axis.set_xticks(shown, [str(n) for n in shown])
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    figure.legend(*axes[1].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
