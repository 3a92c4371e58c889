"""`slipway report`: what a reviewer asks, in a comment and on a page, whatever state the repository is in."""

from __future__ import annotations

import copy
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml
from markdown_it import MarkdownIt

from slipway.__main__ import main
from slipway.report.comparison import Comparison, compare
from slipway.report.document import Code, Document, Paragraph, Section, Strong, Table
from slipway.report.markdown import LIMIT, to_markdown
from slipway.report.page import to_page
from slipway.report.pipeline import Change, stale_outputs
from slipway.report.report import to_document
from slipway.report.revision import base_revision
from slipway.report.search_plan import EXPERIMENT, search_plan
from slipway.report.wording import plain
from tests.conftest import ROOT, TEMPLATE, _once, inside

NASTY = "x|<script>alert(1)</script>`@all`*b*[l](/etc/passwd)"


def git(*words: str) -> str:
    """Git, as nobody in particular."""
    who = ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *who, *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit_all(message: str) -> None:
    """What `dvc repro` and `git commit` leave, without training again what was trained."""
    from dvc.cli import main as dvc

    assert dvc(["commit", "--force", "--quiet"]) == 0
    git("add", "--all")
    git("commit", "--quiet", "--message", message)


@pytest.fixture(scope="session")
def repositories(small_repository: Path, small_months: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``main``: January to May, in Git and DVC. ``june``: the same with a branch that adds June. Read only."""

    def make(folder: Path) -> None:
        from dvc.cli import main as dvc

        shutil.copytree(small_repository, folder / "main")
        with inside(folder / "main"):
            shutil.copytree(ROOT / "src", "src", ignore=shutil.ignore_patterns("__pycache__"))
            shutil.copy(ROOT / "dvc.yaml", ".")
            Path(".gitignore").write_text("build/\n")
            git("init", "--quiet", "--initial-branch", "main")
            assert dvc(["init", "--quiet"]) == 0
            assert dvc(["add", "--quiet", "data/flights"]) == 0
            commit_all("January to May")
        shutil.copytree(folder / "main", folder / "june", symlinks=True)
        with inside(folder / "june"):
            git("switch", "--quiet", "--create", "june")
            shutil.copy(small_months / "2013-06.csv", "data/flights")
            assert dvc(["add", "--quiet", "data/flights"]) == 0
            for words in (["prepare"], ["train", "--final", "--out", "models/current"], ["evaluate"]):
                assert main(words) == 0
            commit_all("June")

    return _once(tmp_path_factory, "repositories", make)


@pytest.fixture
def go(repositories: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Work in a copy of one of the repositories."""

    def enter(name: str) -> Path:
        folder = tmp_path / name
        shutil.copytree(repositories / name, folder, symlinks=True)
        monkeypatch.chdir(folder)
        return folder

    return enter


@pytest.fixture(scope="module")
def june(repositories: Path) -> Comparison:
    """June's branch against main."""
    with inside(repositories / "june"):
        return compare(base_revision("main"))


@pytest.fixture(scope="module")
def june_folder(repositories: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of June's branch in which the report was made. Read only."""
    folder = tmp_path_factory.mktemp("reported") / "june"
    shutil.copytree(repositories / "june", folder, symlinks=True)
    with inside(folder):
        assert main(["report"]) == 0
    return folder


def written(folder: Path) -> dict[str, bytes]:
    """Every file of a report."""
    return {path.name: path.read_bytes() for path in (folder / "build/report").rglob("*") if path.is_file()}


def report(*flags: str) -> str:
    """Run the verb and read its Markdown."""
    assert main(["report", *flags]) == 0
    return Path("build/report/report.md").read_text(encoding="utf-8")


def edit(path: str, **changes: Any) -> None:
    """Change a JSON file's top level."""
    content = json.loads(Path(path).read_text())
    Path(path).write_text(json.dumps(content | changes))


def markdown(comparison: Comparison) -> str:
    """The comment of a comparison."""
    return to_markdown(to_document(comparison, []), "build/report/index.html")


def rows(text: str, title: str) -> dict[str, list[str]]:
    """The cells of the first table under a heading, by their first cell."""
    part = re.split(rf"(?:### |<b>){re.escape(title)}", text, maxsplit=1)[1]
    lines = [line for line in part.split("\n\n<", 1)[0].split("\n### ", 1)[0].splitlines() if line.startswith("| ")]
    return {cells[0].strip("`"): cells for line in lines[1:] if (cells := [c.strip() for c in line[2:-2].split(" | ")])}


class Balanced(HTMLParser):
    """Reads a page, and fails on a tag that is not closed or not opened."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "action", "data")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in ("meta", "br"):
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


# What a reviewer reads.


def test_a_new_month(go: Callable[[str], Path], june_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = go("june")
    text = report()
    assert written(folder) == written(june_folder)  # the same bytes every time
    captured = capsys.readouterr()
    assert captured.out.startswith("New hold-out: AUC ") and "on 2013-06; the base had" in captured.out
    assert captured.err == ""  # nothing is out of date
    assert "What changed: data added: `2013-06` (2,354 flights, " in text
    metrics = json.loads(Path("reports/metrics.json").read_text())
    old = json.loads(git("show", "main:reports/metrics.json"))
    auc = rows(text, "Metrics")["auc"]
    assert auc[1:4] == [f"{old['auc']:.4f}", f"{metrics['auc']:.4f}", f"{metrics['auc'] - old['auc']:+.4f}"]
    assert rows(text, "Metrics")["auc"][4] == "at least 0.62: met"  # other flights: no judgement
    months = rows(text, "Data")
    assert list(months) == [f"2013-0{number}" for number in range(1, 7)]
    assert months["2013-06"][-1] == "**added**" and "held out" in months["2013-06"][5]
    assert months["2013-01"][-1] == ""
    assert rows(text, "Drift")["temp"][2] == "alert"
    assert "2013-06 against 2013-01 to 2013-04" in text
    assert "The gate would refuse" not in text or "not met" in text
    assert sorted(path.name for path in Path("build/report/plots").iterdir()) == [
        "calibration.svg", "curves.svg", "drift.svg", "importance.svg", "parts.svg", "slices.svg",
    ]  # fmt: skip


def test_the_page_needs_nothing_else(june_folder: Path) -> None:
    page = (june_folder / "build/report/index.html").read_text(encoding="utf-8")
    read = Balanced(page)
    assert read.tags.count("svg") == 6
    assert "script" not in read.tags and "link" not in read.tags and "img" not in read.tags
    assert all(link.startswith("#") for link in read.links)
    assert not re.search(r"@import|url\((?!#)", page)
    assert "default-src 'none'" in page
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"url\(#([^)]+)\)", page)) | {link[1:] for link in read.links} <= set(ids)
    assert "prefers-color-scheme: dark" in page and "@media print" in page
    assert not re.search(r"(fill|stroke): #(1f2328|ffffff|0072b2)", page)  # plots take the page's colours


def test_nothing_changed(go: Callable[[str], Path], capsys: pytest.CaptureFixture[str]) -> None:
    go("june")
    text = report("--base", "HEAD")
    assert capsys.readouterr().out.startswith("Nothing changed: AUC")
    assert "The data is as it was." in text and "As they were." in text
    assert {cells[4] for name, cells in rows(text, "Metrics").items() if name in ("auc", "ece")} == {"same"}
    assert "What changed" not in text


def test_only_parameters_changed(go: Callable[[str], Path]) -> None:
    go("main")
    params = Path("params.yaml")
    params.write_text(params.read_text().replace("eta: 0.3", "eta: 0.05"))
    for words in (["train", "--final", "--out", "models/current"], ["evaluate"]):
        assert main(words) == 0
    commit_all("slower")
    text = report()
    assert rows(text, "Parameters") == {"train.eta": ["`train.eta`", "`0.3`", "`0.05`", "-0.2500"]}
    assert "parameters changed: `train.eta`; data unchanged." in text
    new, old = (
        json.loads(Path("reports/metrics.json").read_text()),
        json.loads(git("show", "HEAD~1:reports/metrics.json")),
    )
    metrics = rows(text, "Metrics")
    assert metrics["auc"][4] == ("better" if new["auc"] > old["auc"] else "worse")
    for name in ("logloss", "brier", "ece"):
        assert metrics[name][4] == ("better" if new[name] < old[name] else "worse")
    assert metrics["rows"][4] == metrics["mean_answer"][4] == ""
    assert "compared with" in text and "the commit before" in text
    assert "; none lost more than 0.02</summary>" in text or "lost more than 0.02: " in text  # slices are compared too


@pytest.mark.parametrize(
    ("changes", "tone", "head"),
    [
        ({"auc": +0.01, "logloss": -0.01}, "good", "**Better**"),
        ({"auc": -0.01, "logloss": +0.01}, "bad", "**Worse**"),
        ({"auc": +0.01, "logloss": +0.01}, "neutral", "**Mixed**"),
        ({"rows": 5}, "neutral", "**No metric changed**"),
    ],
)
def test_the_verdict_knows_which_way_is_better(
    june: Comparison, changes: dict[str, float], tone: str, head: str
) -> None:
    metrics = {
        name: Change(change.after, change.after + changes.get(name, 0))
        for name, change in june.differences.metrics.items()
        if name != "ece"
    }
    same = replace(
        june, before=june.after, differences=replace(june.differences, metrics=metrics, params={"a": Change(1, 2)})
    )
    document = to_document(same, [])
    assert document.tone == tone
    assert to_markdown(document, "page").split("\n\n")[1].startswith(head)


def test_limits_the_gate_would_hold_against_it(june: Comparison) -> None:
    metrics = dict(june.differences.metrics) | {"auc": Change(0.7, 0.5), "ece": Change(0.1, 0.3)}
    document = to_document(replace(june, differences=replace(june.differences, metrics=metrics)), [])
    assert document.tone == "bad"
    text = to_markdown(document, "page")
    assert "**The gate would refuse this model**: auc must be at least 0.62; ece must be at most 0.15." in text
    assert rows(text, "Metrics")["auc"][-1] == "**at least 0.62: not met**"


def test_months_removed_and_changed(june: Comparison) -> None:
    data = copy.deepcopy(june.before.data if june.before else None)
    assert data and june.before
    data["parts"]["2012-12"] = copy.deepcopy(data["parts"]["2013-01"])
    data["parts"]["2013-02"]["rows"] -= 100
    months = rows(markdown(replace(june, before=replace(june.before, data=data))), "Data")
    assert months["2012-12"][-1] == "**removed**"
    assert months["2013-02"][-1].startswith("**changed**: +100 rows")
    assert months["2013-01"][-1] == ""


def test_a_holdout_whose_data_changed_is_not_compared(june: Comparison) -> None:
    data = copy.deepcopy(june.after.data)
    assert data
    data["parts"]["2013-06"]["mean"] += 0.01
    text = markdown(replace(june, before=replace(june.after, data=data)))
    assert "**Changed hold-out**" in text
    assert "The data of `2013-06` has changed" in text


def test_the_schemas_changes(june: Comparison) -> None:
    assert june.before and june.before.data
    data = copy.deepcopy(june.before.data)
    data["columns"]["temp"] = "a number from -100 to 130 (°F)"
    data["columns"]["mood"] = "one of good, bad"
    del data["columns"]["visib"]
    found = rows(markdown(replace(june, before=replace(june.before, data=data))), "Schema")
    assert found["temp"][1:] == ["`a number from -100 to 130 (°F)`", "`a number from -40 to 130 (°F) or nothing`"]
    assert found["mood"][2] == "**removed**"
    assert found["visib"][1] == "no such column"
    assert "### Schema" not in markdown(june)


def test_a_slice_that_lost(june: Comparison) -> None:
    assert june.after.details
    details = copy.deepcopy(june.after.details)
    for entry in details["slices"]["origin"]:
        entry["rows"] = 9000
    before = copy.deepcopy(details)
    before["slices"]["origin"][0]["auc"] += 0.03
    name = before["slices"]["origin"][0]["name"]
    after = replace(june.after, details=details)
    text = markdown(replace(june, before=replace(june.after, details=before), after=after))
    assert f"lost more than 0.02: origin {name}" in text
    assert "**lost more than 0.02**" in text and "too few to judge" in text


# Whatever state the repository is in.


def test_the_first_report_of_a_repository_without_commits(
    go: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = go("main")
    shutil.rmtree(folder / ".git")
    git("init", "--quiet")
    text = report()
    assert capsys.readouterr().out.startswith("First report: no earlier commit to compare with. AUC")
    assert "### Parameters" not in text and "added" not in text
    assert rows(text, "Metrics")["auc"][1] == "–"
    assert "2013-05 against 2013-01 to 2013-04" in text  # drift against the months before


def test_the_first_commit_and_then_a_change(go: Callable[[str], Path], capsys: pytest.CaptureFixture[str]) -> None:
    go("main")
    report()
    assert capsys.readouterr().out.startswith("First report")
    edit("reports/metrics.json", auc=0.9)
    text = report()
    assert "(the last commit)" in text and "and what is not committed yet" in text
    captured = capsys.readouterr()
    assert "reports/metrics.json is not what stage evaluate wrote: run dvc repro." in captured.err
    assert "[!WARNING]" in text


def test_a_base_without_reports(go: Callable[[str], Path]) -> None:
    go("main")
    git("rm", "--quiet", "--cached", "-r", "reports", "params.yaml", "dvc.yaml", "dvc.lock")
    git("commit", "--quiet", "--amend", "--message", "nothing yet")
    git("add", "--all")
    git("commit", "--quiet", "--message", "the pipeline")
    text = report()
    assert "**Nothing to compare with**: the base has no metrics yet" in text
    assert "what changed in the data cannot be told" in text


def test_a_base_that_does_not_exist(go: Callable[[str], Path], capsys: pytest.CaptureFixture[str]) -> None:
    go("main")
    assert main(["report", "--base", "v9"]) == 2
    assert "--base v9: no such commit here. `git fetch` brings what others pushed" in capsys.readouterr().err
    assert main(["report", "--base=--output=x"]) == 2
    assert not Path("build").exists() and not Path("x").exists()


def test_a_shallow_clone_is_told_apart(
    go: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = go("june")
    git("clone", "--quiet", "--depth", "1", f"file://{folder}", str(tmp_path / "shallow"))
    monkeypatch.chdir(tmp_path / "shallow")
    assert main(["report", "--base", "HEAD~1"]) == 2
    assert "This clone is shallow: fetch the rest with `git fetch --unshallow`" in capsys.readouterr().err
    git("fetch", "--quiet", "--depth", "1", "origin", "main:refs/remotes/origin/main")
    assert base_revision("origin/main"), "a base that is named and there needs no history"


@pytest.mark.parametrize("depth", ["--depth=1", "--depth=2", "--no-single-branch --depth=1"])
@pytest.mark.parametrize("branch", ["june", "main"])
def test_a_shallow_clone_does_not_call_it_the_first_report(
    repositories: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    branch: str,
    depth: str,
) -> None:
    git("clone", "--quiet", str(repositories / "june"), str(tmp_path / "origin"))
    monkeypatch.chdir(tmp_path / "origin")
    for name in ("main", "june"):  # what each of them began with is out of sight of a depth of 2
        git("switch", "--quiet", name)
        git("commit", "--quiet", "--allow-empty", "--message", f"{name}, once more")
        git("commit", "--quiet", "--allow-empty", "--message", f"{name}, and again")
    git("clone", "--quiet", "--branch", branch, *depth.split(), f"file://{tmp_path / 'origin'}", str(tmp_path / "cut"))
    monkeypatch.chdir(tmp_path / "cut")
    assert main(["report"]) == 2
    captured = capsys.readouterr()
    assert "First report" not in captured.out and not Path("build").exists()
    assert "`git fetch" in captured.err
    git("fetch", "--quiet", "--unshallow", "origin", "+refs/heads/*:refs/remotes/origin/*")
    base = base_revision(None)
    assert base and base.name == ("the commit before" if branch == "main" else "the commit this branch left main at")


def test_on_the_main_of_a_shallow_clone_what_is_not_committed_is_compared_with_the_last_commit(
    repositories: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git("clone", "--quiet", "--depth", "1", f"file://{repositories / 'main'}", str(tmp_path / "cut"))
    monkeypatch.chdir(tmp_path / "cut")
    Path("params.yaml").write_text("")
    base = base_revision(None)
    assert base and (base.sha, base.name) == (git("rev-parse", "HEAD"), "the last commit")


def test_a_clone_of_one_branch_alone_says_that_main_is_missing(
    repositories: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    git("clone", "--quiet", "--single-branch", "-b", "june", f"file://{repositories / 'june'}", str(tmp_path / "one"))
    monkeypatch.chdir(tmp_path / "one")
    assert main(["report"]) == 2
    assert "this clone has no main" in (said := capsys.readouterr().err) and "--base" in said
    git("fetch", "--quiet", "origin", "main:refs/remotes/origin/main")
    base = base_revision(None)
    assert base and base.name == "the commit this branch left main at"


def test_a_clone_without_data_is_not_out_of_date(
    go: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = go("june")
    git("clone", "--quiet", str(folder), str(tmp_path / "clone"))
    monkeypatch.chdir(tmp_path / "clone")
    text = report("--base", "origin/main")
    assert capsys.readouterr().err == ""
    assert "data added: `2013-06`" in text and "origin/main" in text


def test_what_is_out_of_date_is_said(go: Callable[[str], Path], capsys: pytest.CaptureFixture[str]) -> None:
    go("june")
    Path("src/slipway/plots/tasks.py").write_text("# other\n")
    Path("src/slipway/model/schema.py").unlink()
    Path("params.yaml").write_text(Path("params.yaml").read_text().replace("eta: 0.3", "eta: 0.2"))
    Path("data/flights/2013-01.csv").write_text("date\n")
    text = report()
    said = capsys.readouterr().err.splitlines()
    assert said == [
        "slipway report: data/flights is not what data/flights.dvc says: run dvc add data/flights and dvc repro.",
        "slipway report: Stage evaluate is out of date, because of src/slipway/model, src/slipway/plots: "
        "run dvc repro.",
        "slipway report: Stage prepare is out of date, because of data/flights, src/slipway/model: run dvc repro.",
        "slipway report: Stage train is out of date, because of src/slipway/model, params.yaml:train: run dvc repro.",
    ]
    assert text.count("> [!WARNING]") == 4
    page = Balanced(Path("build/report/index.html").read_text(encoding="utf-8"))
    assert said[1].removeprefix("slipway report: ") in "".join(page.text)


def test_a_gap_in_the_months_is_said(go: Callable[[str], Path]) -> None:
    go("june")
    data = json.loads(Path("reports/data.json").read_text())
    edit("reports/data.json", parts={name: month for name, month in data["parts"].items() if name != "2013-03"})
    assert "There is a gap between 2013-01 and 2013-06: no 2013-03." in report("--base", "main")


def test_code_that_dvc_does_not_look_at_is_said(go: Callable[[str], Path], capsys: pytest.CaptureFixture[str]) -> None:
    go("june")
    known = Path("dvc.yaml").read_text()
    Path("dvc.yaml").write_text(known.replace("      - src/slipway/params.py\n", "", 1))
    report()
    assert (
        "slipway report: src/slipway/params.py decides what prepare makes, and DVC does not look at it: add it to deps "
        "in dvc.yaml and run dvc repro."
    ) in capsys.readouterr().err.splitlines()


def test_without_a_lock_nothing_is_known(go: Callable[[str], Path], capsys: pytest.CaptureFixture[str]) -> None:
    go("main")
    Path("dvc.lock").unlink()
    report()
    assert "dvc.lock is missing, so nothing says what the outputs were made from" in capsys.readouterr().err


def test_a_command_that_changed_is_out_of_date(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    Path("dvc.lock").touch()
    [said] = stale_outputs({"train": ["changed command"]})
    assert plain(said) == "Stage train has another command than when it ran: run dvc repro."


@pytest.mark.parametrize("name", ["reports/metrics.json", "reports/data.json", "reports/slices.json"])
def test_without_outputs_it_says_how_to_make_them(
    go: Callable[[str], Path], capsys: pytest.CaptureFixture[str], name: str
) -> None:
    go("main")
    Path(name).unlink()
    assert main(["report"]) == 2
    assert f"{name} is missing" in (said := capsys.readouterr().err) and "`dvc repro`" in said
    assert not Path("build").exists()


def test_outside_git_and_outside_dvc(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(workspace.parent))
    assert main(["report"]) == 2
    assert "is in no Git repository" in capsys.readouterr().err
    git("init", "--quiet")
    assert main(["report"]) == 2
    assert "is in no DVC repository" in capsys.readouterr().err


def test_a_broken_pipeline_file_is_a_sentence(go: Callable[[str], Path]) -> None:
    go("main")
    Path("dvc.yaml").write_text("stages: [\n")
    # A process of its own: DVC's logger keeps the stream it first saw, which a test before this one has closed.
    done = subprocess.run([sys.executable, "-m", "slipway", "report"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    said = done.stderr
    assert "DVC cannot read the pipeline" in said and "Traceback" not in said


@pytest.mark.parametrize("name", ["data/flights.dvc", "k8s/katib/experiment.yaml"])
def test_marks_of_a_conflict_are_a_sentence(
    name: str, go: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    go("main")
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text("outs:\n<<<<<<< HEAD\n- md5: a\n=======\n- md5: b\n>>>>>>> june\n")
    assert main(["report"]) == 2
    said = capsys.readouterr().err
    assert f"{name} is not YAML" in said and "restore it from Git" in said


# Size, names, plots.


def wide(comparison: Comparison, columns: int) -> Comparison:
    """The same with many more columns that moved."""
    return replace(
        comparison,
        drift=[replace(moved, name=f"{moved.name}_{n}") for n in range(columns) for moved in comparison.drift],
    )


def test_a_report_too_long_for_a_comment_drops_the_least_important_and_says_so(
    june: Comparison, repositories: Path
) -> None:
    comparison = wide(june, 60)
    text = markdown(comparison)
    assert len(text) <= LIMIT < 65_536
    assert "**Left out, because a comment may hold only so much: Slices, " in text or "Drift" in text
    left_out = text.split("**Left out, because a comment may hold only so much: ")[1].split(".**")[0]
    assert "Drift" in left_out and "Metrics" not in left_out
    assert "`build/report/index.html`" in text
    assert "### Metrics" in text and "### Data" in text
    page = to_page(to_document(comparison, []), repositories / "june/reports/plots")
    assert "temp_59" in page


def test_even_a_verdict_too_long_is_cut(june: Comparison) -> None:
    document = replace(to_document(june, []), verdict=["first line", *(["many words " * 50] * 500)])
    text = to_markdown(document, "page")
    assert len(text) <= LIMIT and "first line" in text


def test_names_are_text_in_both(june: Comparison) -> None:
    assert june.before and june.before.data and june.base
    data = copy.deepcopy(june.before.data)
    data["columns"][NASTY] = NASTY
    comparison = replace(
        june,
        base=replace(june.base, name=NASTY),
        before=replace(june.before, data=data),
        drift=[replace(june.drift[0], name=NASTY, level="alert")],
        differences=replace(june.differences, params={NASTY: Change(NASTY, "\n\n# head\n| a |")}),
        origin=("compared with ", Code(NASTY)),
    )
    document = to_document(comparison, [])
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(to_markdown(document, "page"))
    read = Balanced(html)
    assert "".join(read.text).count(NASTY) >= 6
    assert "script" not in read.tags and "a" not in read.tags and "img" not in read.tags and "em" not in read.tags
    assert "h1" not in read.tags
    for table in re.findall(r"<table>.*?</table>", html, re.DOTALL):
        heads = len(re.findall(r"<th\b", table))
        assert all(row.count("<td") in (0, heads) for row in table.split("<tr>"))
    page = Balanced(to_page(document, Path("nowhere")))
    assert "".join(page.text).count(NASTY) >= 6
    assert "script" not in page.tags


@pytest.mark.parametrize(
    "name", ["", " ", "`", "``", "a`b", "<!--", "]]>", "a\nb", "-->", "&lt;", "@org/team", "#1", "~~x~~", "$x$", "\\"]
)
def test_any_name_survives_a_table(name: str) -> None:
    document = Document("t", ["v"], [Section("s", [Table(("a", "b"), [(Code(name), Strong(f"x{name}y"))])], 1)], "o")
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(to_markdown(document, "page"))
    read = Balanced(html)
    assert read.tags.count("td") == 2
    assert "del" not in read.tags and "a" not in read.tags
    seen = "".join(read.text).replace("\u200b", "").replace("\xa0", "")
    assert name.replace("\n", " ").strip() in seen
    assert not re.search(r"@\w", re.sub(r"<code>.*?</code>", "", html))  # outside of code a mention would call people


def test_a_folded_sections_line_is_text(june: Comparison) -> None:
    document = Document("t", ["v"], [Section("a <b>", [Paragraph("p")], 1, summary="x & <i> @all")], "o")
    text = to_markdown(document, "page")
    assert "<summary><b>a &lt;b&gt;</b>: x &amp; &lt;i&gt; @\u200ball</summary>" in text


def test_plots_are_linked_only_from_an_address(
    go: Callable[[str], Path], june_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    go("june")
    text = (june_folder / "build/report/report.md").read_text(encoding="utf-8")
    assert "![" not in text and "The plots are in `build/report/index.html`." in text
    text = report("--plots-url", "https://example.org/runs/7/plots/")
    assert text.count("![") == 6
    assert "](https://example.org/runs/7/plots/calibration.svg)" in text
    assert main(["report", "--plots-url", "plots"]) == 2
    assert "expected an address that starts with https://" in capsys.readouterr().err


def test_a_failure_leaves_the_old_report(go: Callable[[str], Path], june_folder: Path) -> None:
    folder = go("june")
    shutil.copytree(june_folder / "build", "build")
    Path("reports/slices.json").unlink()
    assert main(["report"]) == 2
    assert written(folder) == written(june_folder)
    assert [path.name for path in Path("build").iterdir()] == ["report"]


# The spend.


@pytest.fixture
def experiment() -> dict[str, Any]:
    """The repository's own search."""
    loaded: dict[str, Any] = yaml.safe_load((TEMPLATE / EXPERIMENT).read_text(encoding="utf-8"))
    return loaded


def test_what_a_merge_would_spend(june: Comparison, experiment: dict[str, Any]) -> None:
    spec = experiment["spec"]
    text = markdown(replace(june, after=replace(june.after, experiment=experiment)))
    found = rows(text, "Planned search")
    assert found["trials"][1] == f"at most {spec['maxTrialCount']}"
    assert found["at once"][1] == str(spec["parallelTrialCount"])
    assert found["one trial requests"][1] == "1 CPU and 1 GiB"
    assert found["at once, at most"][1] == f"{spec['parallelTrialCount']} CPU and {spec['parallelTrialCount']} GiB"
    assert found["space: eta"][1] == "0.02 to 0.3, logUniform"
    assert "Planned search" not in markdown(replace(june, after=replace(june.after, experiment=None)))


def test_a_dearer_search_is_shown_as_a_change(june: Comparison, experiment: dict[str, Any]) -> None:
    dearer = copy.deepcopy(experiment)
    dearer["spec"]["maxTrialCount"] = 400
    dearer["spec"]["trialTemplate"]["trialSpec"]["spec"]["template"]["spec"]["containers"][0]["resources"] = {
        "requests": {"cpu": "250m", "memory": "512Mi"}
    }
    assert june.before
    comparison = replace(
        june, before=replace(june.before, experiment=experiment), after=replace(june.after, experiment=dearer)
    )
    found = rows(markdown(comparison), "Planned search")
    assert found["trials"] == ["trials", "at most 24", "at most 400", "**changed**"]
    assert found["one trial requests"][1:3] == ["1 CPU and 1 GiB", "0.25 CPU and 0.5 GiB"]
    assert found["CPU × trials"][2] == "100 CPU"
    assert found["search"][3] == ""


def test_a_search_that_requests_nothing_or_never_ends(experiment: dict[str, Any]) -> None:
    spec = experiment["spec"]
    del spec["maxTrialCount"], spec["parallelTrialCount"]
    del spec["trialTemplate"]["trialSpec"]["spec"]["template"]["spec"]["containers"][0]["resources"]
    found = search_plan(experiment).rows()
    assert (found["trials"], found["at once"]) == ("without end", "3")
    assert found["one trial requests"] == "nothing: it may take a whole node"


@pytest.mark.parametrize("broken", [[], {"spec": {}}, "text", {"spec": {"trialTemplate": None}}])
def test_an_experiment_that_is_none_is_said_in_the_report(june: Comparison, broken: Any) -> None:
    assert "is not an experiment that can be read" in markdown(
        replace(june, after=replace(june.after, experiment=broken))
    )
