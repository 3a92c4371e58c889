"""`make demo`: the loop does what its page says."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from slipway.demo.demo_page import latency_curve
from tests.demo.conftest import Demo, clean_clone, stranger

pytestmark = pytest.mark.demo


def test_every_step_was_taken_and_timed(demo: Demo) -> None:
    titles = [step["title"] for step in demo.loop["steps"]]
    assert titles == [
        *("Clone", "Data", "The first champion", "Push data", "Report", "Search"),
        *("Gate and promote", "Serve", "Refuse", "Roll back"),
    ]
    assert all(step["seconds"] > 0 and step["commands"] for step in demo.loop["steps"])


def test_the_repository_it_was_started_in_is_as_it_was(demo: Demo) -> None:
    status = subprocess.run(
        ["git", "status", "--porcelain"], cwd=demo.clone, capture_output=True, text=True, check=True
    )
    assert status.stdout.replace("?? .venv\n", "") == ""


def test_the_challenger_won_on_june_and_the_worse_one_was_refused(demo: Demo) -> None:
    won, lost = demo.step("Gate and promote")["shows"]["decision"], demo.step("Refuse")["shows"]["decision"]
    assert won["passed"] and won["held_out"] == "2013-06" and won["champion"] == "flight-delay/1"
    assert not lost["passed"] and lost["champion"] == won["challenger"]
    assert any(not check["passed"] and "AUC" in check["reason"] for check in lost["checks"])


def test_the_promotion_changed_one_file(demo: Demo) -> None:
    log = subprocess.run(
        ["git", "log", "-1", "--format=", "--name-only", "--grep=^Serve the new champion$"],
        cwd=demo.out / "clone", capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert log.stdout.split() == ["k8s/serving/overlays/production/model.yaml"]


def test_the_server_answered_with_what_the_model_says(demo: Demo) -> None:
    shows = demo.step("Serve")["shows"]
    assert len(shows["answers"]) == len(shows["rows"]) == 5
    assert all(0 < answer < 1 for answer in shows["answers"])
    assert len(set(shows["answers"])) > 1
    assert shows["load"]["requests"] > 100
    assert shows["load"]["failures"] == 0


def test_the_lineage_leads_back_to_the_push_of_june(demo: Demo) -> None:
    lineage = demo.step("Gate and promote")["shows"]["lineage"]
    assert "BROKEN" not in lineage
    assert "Flights of 2013-06" in lineage
    assert re.search(r"^version +flight-delay/2 ", lineage, re.MULTILINE)
    assert "tune-00" in lineage


def test_the_revert_rolled_manifest_and_alias_back(demo: Demo) -> None:
    lineage = demo.step("Roll back")["shows"]["lineage"]
    assert re.search(r"^version +flight-delay/1 \(champion\)", lineage, re.MULTILINE)
    assert "BROKEN" not in lineage


def test_the_page_needs_no_network_and_shows_every_step(demo: Demo) -> None:
    page = (demo.out / "index.html").read_text(encoding="utf-8")

    class Loads(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.found: list[str] = []

        def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
            self.found += [v or "" for name, v in attributes if name in ("src", "href") and tag != "a"]

    parser = Loads()
    parser.feed(page)
    assert parser.found == []
    for step in demo.loop["steps"]:
        assert f"<h2>{step['title']}</h2>" in page
    assert "Refused" in page and "Passed" in page and "Time to answer" in page


def test_a_second_without_an_answer_is_left_out_of_the_curve() -> None:
    quick = {"p50_ms": 1.0, "p99_ms": 2.0}
    none = {"p50_ms": None, "p99_ms": None}
    chart = latency_curve([{"second": n, **(none if n == 2 else quick)} for n in range(5)])
    assert [len(line.split()) for line in chart["lines"].values()] == [3, 3], "of seconds 0, 1 and 3; 4 is cut short"


def test_a_folder_that_is_not_a_demo_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    done = subprocess.run(
        [sys.executable, "-m", "slipway", "demo", "--out", str(tmp_path)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert "holds something that is not a demo" in done.stderr
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_ctrl_c_leaves_no_process(tmp_path: Path) -> None:
    clone = clean_clone(tmp_path / "clone")
    with (tmp_path / "output").open("w") as output:
        process = subprocess.Popen(
            ["make", "demo"], cwd=clone, env=stranger(), stdout=output, stderr=output, start_new_session=True
        )
    deadline = time.monotonic() + 120
    while "dvc repro" not in (tmp_path / "output").read_text():
        assert time.monotonic() < deadline and process.poll() is None, (tmp_path / "output").read_text()
        time.sleep(0.1)
    time.sleep(2)  # so that dvc has its own child running
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) != 0
    patience = time.monotonic() + 20  # a stage of DVC's may end a few seconds after DVC itself
    while processes_in(clone) and time.monotonic() < patience:
        time.sleep(0.1)
    assert processes_in(clone) == []
    assert "stopped" in (tmp_path / "output").read_text()


def processes_in(folder: Path) -> list[str]:
    """The command lines of processes that run in a folder or below it."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and (process / "cwd").resolve().is_relative_to(folder):
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


def test_the_manifest_that_was_reverted_to_names_the_first_champion(demo: Demo) -> None:
    text = (demo.out / "clone/k8s/serving/overlays/production/model.yaml").read_text(encoding="utf-8")
    assert "flight-delay/1" in text
    assert list(yaml.safe_load_all(text))
