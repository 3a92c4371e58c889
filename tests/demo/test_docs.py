"""Every command block of the README and of docs/ is run, in the order it is read, in the clone that the demo leaves.

A ```sh block is run as it stands; a ```console block shows what a cluster or GitHub would do and is not.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests.demo.conftest import REPOSITORY, Demo, stranger

pytestmark = pytest.mark.demo

BLOCK = re.compile(r"^```(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
RUN_ELSEWHERE = {"make demo\n": "the fixture `demo` runs it", "make test\n": "this is it"}


def blocks(page: Path) -> list[tuple[str, str]]:
    return BLOCK.findall(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(kind == "sh" for kind, _ in blocks(page))], ids=lambda p: p.name
)
def test_the_commands_of_a_page_run(page: Path, demo_clone: Path) -> None:
    environment = stranger()
    environment["PATH"] = f"{REPOSITORY / '.venv/bin'}{os.pathsep}{environment['PATH']}"
    environment["PYTHONPATH"] = "src"  # our .venv leads to this repository; a person's leads to their clone
    for kind, commands in blocks(page):
        if kind != "sh" or commands in RUN_ELSEWHERE:
            continue
        code, output = run(commands, demo_clone, environment)
        assert code == 0, f"{page.name}:\n{commands}\n{output[-3000:]}"


def run(commands: str, folder: Path, environment: dict[str, str]) -> tuple[int, str]:
    """Exit code and output of a block; what it left running when it failed is ended, and does not hold the output."""
    with (folder.parent / "output").open("w+") as output:
        shell = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", commands], cwd=folder, env=environment, text=True,
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            code = shell.wait(timeout=300)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
        output.seek(0)
        return code, output.read()


def test_a_block_says_what_it_is() -> None:
    for page in PAGES:
        for kind, _ in blocks(page):
            assert kind in ("sh", "console", "yaml", "json", "python", "text", "mermaid", "promql", "http"), (
                page,
                kind,
            )


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in LINK.findall(page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}, which is not there"


def test_the_readme_says_how_to_start(demo: Demo) -> None:
    commands = [text for kind, text in blocks(REPOSITORY / "README.md") if kind == "sh"]
    assert commands[:2] == ["make demo\n", "make test\n"]
    assert "index.html" in demo.output
