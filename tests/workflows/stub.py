"""What stands in for a marketplace action: it writes down its inputs and does the part the workflow goes on with."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

STATE = Path(os.environ["STUBS"])
CML = Path(__file__).parent / "github" / "cml.py"


def main(action: str, inputs: dict[str, str]) -> None:
    """Act as ``action``."""
    with (STATE / "calls.jsonl").open("a", encoding="utf-8") as calls:
        calls.write(json.dumps({"action": action, "inputs": {k: v for k, v in inputs.items() if v != ""}}) + "\n")
    if (STATE / "broken" / action.replace("/", "+")).exists():
        sys.exit(f"{action}: broken for this test")
    match action:
        case "actions/checkout":
            checkout(inputs["ref"], inputs["fetch-depth"])
        case "iterative/setup-cml":
            (STATE / "bin").mkdir(exist_ok=True)
            (STATE / "bin" / "cml").unlink(missing_ok=True)
            (STATE / "bin" / "cml").symlink_to(CML)
            _append("GITHUB_PATH", str(STATE / "bin"))
        case "sigstore/cosign-installer":
            (STATE / "bin").mkdir(exist_ok=True)
            cosign = STATE / "bin" / "cosign"
            cosign.write_text(f'#!/bin/sh\necho "$@" >> {STATE}/cosign.log\n', encoding="utf-8")
            cosign.chmod(0o755)
            _append("GITHUB_PATH", str(STATE / "bin"))
        case "aws-actions/configure-aws-credentials":
            for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
                _append("GITHUB_ENV", f"{name}={os.environ.get('STUB_' + name, '')}")
        case "actions/create-github-app-token":
            _append("GITHUB_OUTPUT", "token=token-of-the-app")
        case "actions/upload-artifact":
            if not Path(inputs["path"]).exists():
                return  # the action warns, and goes on
            shutil.copytree(inputs["path"], STATE / "artifacts" / inputs["name"], dirs_exist_ok=True)
            url = f"{os.environ['GITHUB_SERVER_URL']}/{os.environ['GITHUB_REPOSITORY']}/actions/runs/1/artifacts/1"
            _append("GITHUB_OUTPUT", f"artifact-url={url}")
        case "actions/download-artifact":
            shutil.copytree(STATE / "artifacts" / inputs["name"], inputs["path"], dirs_exist_ok=True)
        case "docker/build-push-action":
            prepared = sorted(path.name for path in Path("data/prepared").glob("*.npy"))
            (STATE / "context.json").write_text(json.dumps(prepared), encoding="utf-8")
            from stub_image import push  # here: what it imports takes longer than all that most actions do

            _append("GITHUB_OUTPUT", f"digest={push(inputs['tags'])}")


def checkout(ref: str, depth: str) -> None:
    """Fetch from the stand-in over HTTP: one commit, or with fetch-depth 0 all branches, as the action does."""
    what = ref or os.environ["GITHUB_SHA"]
    fetch = ["--depth=1", "origin", what]
    if depth == "0":
        fetch = ["origin", "+refs/heads/*:refs/remotes/origin/*"]
        what = "origin/main" if what == "main" else what
    url = f"{os.environ['GITHUB_SERVER_URL']}/{os.environ['GITHUB_REPOSITORY']}"
    _git("init", "--quiet")
    _git("remote", "add", "origin", url)
    _git("fetch", "--quiet", *fetch)
    _git("checkout", "--quiet", "--force", "--detach", what if depth == "0" else "FETCH_HEAD")


def _git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], check=True)


def _append(file: str, line: str) -> None:
    with Path(os.environ[file]).open("a", encoding="utf-8") as out:
        out.write(line + "\n")


if __name__ == "__main__":
    main(sys.argv[1], json.loads(os.environ["INPUTS"]))
