"""Monitoring, held to the types, to promtool, and to a real Prometheus that scrapes the real server."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from slipway.names import load_names
from tests.manifests.strict import faults
from tests.manifests.test_serving import build
from tests.services.processes import free_ports
from tests.serving.conftest import *  # noqa: F403  the fixtures: a model and a server with it
from tests.serving.conftest import ROOT, Server, serving, until
from tests.serving.departures import departures, sample

MONITORING = ROOT / "k8s/monitoring"
RULES = sorted((MONITORING / "rules").glob("*.yaml"))
DASHBOARDS = sorted((MONITORING / "dashboards").glob("*.json"))


def tool(name: str) -> str:
    """The path of a program of Debian's package `prometheus`."""
    found = shutil.which(name)
    if not found:
        pytest.skip(f"NOT TESTED: {name} is not installed here (Debian's package prometheus)")
    return found


def groups(path: Path) -> dict[str, Any]:
    """A PrometheusRule's groups, as Prometheus itself reads them."""
    return {"groups": yaml.safe_load(path.read_text())["spec"]["groups"]}


def expressions() -> list[tuple[str, str]]:
    """Every query of a dashboard: (dashboard and panel, PromQL)."""
    return [
        (f"{path.stem}: {panel['title']}", target["expr"])
        for path in DASHBOARDS
        for panel in json.loads(path.read_text())["panels"]
        for target in panel["targets"]
    ]


def test_every_object_is_as_its_type_says() -> None:
    objects = build(MONITORING)
    assert {value["kind"] for value in objects} == {"PodMonitor", "PrometheusRule", "ConfigMap"}
    for value in objects:
        assert faults(value) == []


def test_a_misspelt_field_is_caught() -> None:
    rule = yaml.safe_load(RULES[0].read_text())
    rule["spec"]["groups"][0]["rules"][-1]["annotation"] = {}
    assert faults(rule)
    monitor = yaml.safe_load((MONITORING / "podmonitor.yaml").read_text())
    monitor["spec"]["podMetricsEndpoints"][0]["intervall"] = "1s"
    assert faults(monitor)


def test_the_pod_monitor_finds_the_pods() -> None:
    monitor = yaml.safe_load((MONITORING / "podmonitor.yaml").read_text())["spec"]
    deployment = yaml.safe_load((ROOT / "k8s/serving/base/seldondeployment.yaml").read_text())
    component = deployment["spec"]["predictors"][0]["componentSpecs"][0]
    assert monitor["selector"]["matchLabels"].items() <= component["metadata"]["labels"].items()
    ports = {port["name"] for port in component["spec"]["containers"][0]["ports"]}
    assert {endpoint["port"] for endpoint in monitor["podMetricsEndpoints"]} <= ports
    namespaces = load_names(ROOT / "slipway.yaml").namespaces
    assert monitor["namespaceSelector"] == {"matchNames": [namespaces.staging, namespaces.production]}
    for path in RULES:
        assert f'{{namespace="{namespaces.production}"}}' in path.read_text(), "what absent() looks for"


@pytest.mark.parametrize("name", [path.stem for path in RULES])
def test_promtool_agrees(name: str, tmp_path: Path) -> None:
    promtool = tool("promtool")
    (tmp_path / f"{name}.rules.yaml").write_text(yaml.safe_dump(groups(MONITORING / f"rules/{name}.yaml")))
    shutil.copy(MONITORING / f"tests/{name}.test.yaml", tmp_path)
    for command in (["check", "rules", f"{name}.rules.yaml"], ["test", "rules", f"{name}.test.yaml"]):
        ended = subprocess.run([promtool, *command], cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.fixture(scope="module")
def fresh(folder: Path) -> dict[str, float]:
    """What a server shows that nobody has asked yet: series and values."""
    with serving("--model", str(folder), "--version", "7") as server:
        lines = server.call("/metrics")[1].splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


def test_every_series_that_a_rule_reads_is_there_from_the_start(fresh: dict[str, float]) -> None:
    """Prometheus sees no increase in a series that begins with its first failures."""
    names = {name.partition("{")[0] for name in fresh}
    own = {name for path in RULES for name in re.findall(r"\bslipway_\w+", path.read_text())}
    assert len(own) > 8
    assert own - names - {"slipway_refused_values_total"} == set(), "only a sentence names the last one"
    for path in RULES:
        for name, matcher in re.findall(r"(slipway_requests_total)\{(\w+=~?\"[^\"]+\")", path.read_text()):
            label, _, value = matcher.partition("=")
            pattern = re.compile(f'{label}="({value.lstrip("~").strip(chr(34))})"')
            if label != "namespace":
                assert sorted({fresh[it] for it in fresh if it.startswith(name) and pattern.search(it)}) == [0.0], (
                    matcher
                )


def test_failures_before_the_second_scrape_raise_the_alert(fresh: dict[str, float], tmp_path: Path) -> None:
    """From what a new server shows at its first scrape; then 200 requests failed, or were turned away."""
    promtool = tool("promtool")
    (tmp_path / "serving.rules.yaml").write_text(yaml.safe_dump(groups(MONITORING / "rules/serving.yaml")))
    failed = {
        "a fault": 'slipway_requests_total{code="500",path="/predict"}',
        "a fault of V2": 'slipway_requests_total{code="500",path="infer"}',
        "no room": 'slipway_requests_total{code="503",path="full"}',
    }
    alert = 'ALERTS{alertname="SlipwayFailing",alertstate="firing"}'
    tests = []
    for series in failed.values():
        shown = {name: value for name, value in fresh.items() if name.startswith("slipway_requests_total")}
        assert series in shown
        values = {name: f"{value:g} {value + 200 * (name == series):g}x30" for name, value in shown.items()}
        tests.append({
            "interval": "15s",
            "input_series": [
                {"series": name.replace("{", '{namespace="slipway-production",'), "values": text}
                for name, text in values.items()
            ],
            "promql_expr_test": [{
                "expr": alert,
                "eval_time": "4m",
                "exp_samples": [{
                    "labels": alert.replace("}", ',namespace="slipway-production",severity="page"}'),
                    "value": 1,
                }],
            }],
        })  # fmt: skip
    document = {"rule_files": ["serving.rules.yaml"], "evaluation_interval": "15s", "tests": tests}
    (tmp_path / "fresh.test.yaml").write_text(yaml.safe_dump(document))
    ended = subprocess.run(
        [promtool, "test", "rules", "fresh.test.yaml"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_promtools_tests_begin_with_what_a_server_shows(fresh: dict[str, float]) -> None:
    """No test of a rule may start from a series that no server has: its labels, but for the cluster's, are real."""
    made_up = []
    for path in sorted((MONITORING / "tests").glob("*.yaml")):
        for test in yaml.safe_load(path.read_text())["tests"]:
            for series in test["input_series"]:
                name, _, labels = series["series"].partition("{")
                wanted = dict(re.findall(r'(\w+)="([^"]*)"', labels))
                real = [dict(re.findall(r'(\w+)="([^"]*)"', it)) for it in fresh if it.partition("{")[0] == name]
                free = {"namespace", "model", "version", "engine", "column", "bucket"}
                if not any(
                    wanted.keys() - {"namespace"} <= it.keys()
                    and all(it[label] == value for label, value in wanted.items() if label not in free)
                    for it in real
                ):
                    made_up.append(f"{path.name}: {series['series']}")
    assert made_up == []


def test_every_alert_has_a_test() -> None:
    alerts = {rule["alert"] for path in RULES for g in groups(path)["groups"] for rule in g["rules"] if "alert" in rule}
    tests = "\n".join(path.read_text() for path in (MONITORING / "tests").glob("*.yaml"))
    assert [alert for alert in sorted(alerts) if alert not in tests] == []


def test_dashboards_have_unique_names_and_a_unit_on_every_panel() -> None:
    boards = [json.loads(path.read_text()) for path in DASHBOARDS]
    assert len({board["uid"] for board in boards}) == len(boards) == 3
    for board in boards:
        assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
        assert all(panel["fieldConfig"]["defaults"]["unit"] for panel in board["panels"])


class Prometheus:
    """A running Prometheus."""

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str, **query: str) -> Any:
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}", timeout=30) as answer:
            return json.load(answer)["data"]

    def query(self, expression: str) -> list[Any]:
        """The samples of an instant query."""
        result: list[Any] = self.get("query", query=expression)["result"]
        return result


def hurried(text: str) -> str:
    """Rules and queries with their windows cut to what a test can wait for, and a dashboard's choices made."""
    text = re.sub(r"\[(5m|10m|1h|7d|\$__rate_interval)\]", "[30s]", text)
    return text.replace('namespace=~"$namespace"', 'namespace=~".*"').replace("$column", "late")


@pytest.fixture(scope="module")
def watched(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Prometheus]]:
    """The real server, scraped every second by a real Prometheus with the repository's rules."""
    program = tool("prometheus")
    here = tmp_path_factory.mktemp("prometheus")
    with serving("--model", str(folder), "--version", "7") as server:
        for path in RULES:
            rules = yaml.safe_load(hurried(yaml.safe_dump(groups(path), width=10_000)))
            for group in rules["groups"]:
                group["interval"] = "1s"
                for rule in group["rules"]:
                    if "alert" in rule:
                        rule["for"] = "0s"
            (here / path.name).write_text(yaml.safe_dump(rules))
        target = {"targets": [server.url.removeprefix("http://")], "labels": {"namespace": "here"}}
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [path.name for path in RULES],
            "scrape_configs": [{"job_name": "slipway-serving", "static_configs": [target]}],
        }
        (here / "prometheus.yml").write_text(yaml.safe_dump(config))
        port = free_ports(1)[0]
        log = (here / "log").open("w")
        process = subprocess.Popen(
            [
                program, "--config.file=prometheus.yml", f"--web.listen-address=127.0.0.1:{port}",
                "--storage.tsdb.path=data", "--log.level=warn",
            ],
            cwd=here, stdout=log, stderr=log,
        )  # fmt: skip
        try:
            prometheus = Prometheus(f"http://127.0.0.1:{port}")
            assert until(lambda: answers(prometheus), 60), (here / "log").read_text()
            yield server, prometheus
        finally:
            process.terminate()
            process.wait(timeout=30)
            log.close()


def answers(prometheus: Prometheus) -> bool:
    """Whether it is up and has seen the server."""
    try:
        return bool(prometheus.query("slipway_model_info"))
    except OSError:
        return False


def requests(month: Any) -> list[dict[str, Any]]:
    """Twelve requests of 200 flights each, every one from the whole month: any window of them looks like it."""
    return [{"rows": sample(month.iloc[start::12])} for start in range(12)]


@pytest.mark.services
def test_a_real_prometheus_answers_every_panel_and_sees_the_drift(
    watched: tuple[Server, Prometheus], month: Any, rows: Any
) -> None:
    """The month it was trained on raises no drift alert; July's flights raise it for what is warm, and nothing else."""
    server, prometheus = watched

    def send(bodies: list[dict[str, Any]]) -> None:
        for body in bodies:
            assert server.call("/predict", body)[0] == 200
            server.call("/predict", {"rows": [rows[0] | {"carrier": "ZZ"}]})
            time.sleep(0.5)  # over several scrapes, or there is no rate

    def drifted() -> set[str]:
        firing = prometheus.query('ALERTS{alertname="SlipwayDrift",alertstate="firing"}')
        return {sample["metric"]["column"] for sample in firing}

    send(requests(month))
    assert until(lambda: prometheus.query("slipway:rows:increase7d > 1000") != [], 30)
    time.sleep(3)  # the alert's rule is asked once a second, after that record's
    assert drifted() == set()

    queries = [(where, hurried(text)) for where, text in expressions() if not quiet(text)]
    queries += [
        (rule["record"], rule["record"])
        for path in RULES
        for group in groups(path)["groups"]
        for rule in group["rules"]
        if "record" in rule and not quiet(rule["expr"])
    ]
    assert len(queries) > 25
    # More than once: a scrape that took over a second leaves every series empty until the next.
    silent: list[str] = []
    assert until(lambda: not silent_ones(prometheus, queries, silent), 30), silent

    send(requests(departures(7)))
    assert until(lambda: "temp" in drifted(), 30), prometheus.query("slipway:drift_psi")
    assert not drifted() & {"distance", "origin", "carrier"}
    health = prometheus.get("rules")
    assert [rule["lastError"] for g in health["groups"] for rule in g["rules"] if rule["health"] == "err"] == []


def silent_ones(prometheus: Prometheus, queries: list[tuple[str, str]], found: list[str]) -> list[str]:
    """The queries that have no answer now, also left in ``found``."""
    found[:] = [where for where, text in queries if not prometheus.query(text)]
    return found


def quiet(expression: str) -> bool:
    """Whether a query is about what a healthy server in a test does not do: failing, being full, loading models."""
    return any(word in expression for word in ('code=~"5..', "slipway:failed", 'path="full"', "slipway_model_loads"))
