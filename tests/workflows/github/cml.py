#!/usr/bin/env python3
"""CML's double. It makes the calls that CML 0.20.6 was seen to make, in their order, faults included.

Real CML is not on the package registries this template is tested with. Its calls were recorded once, against this
stand-in's forerunner, and compared with its source (iterative/cml at a3a66c7): `comment update` reads one page of
comments; `pr create` takes any pull request whose branch ours ends with; it leaves the token in .git/config.
CML_DOUBLE=down fails as CML without a network does; CML_DOUBLE=idle says it did and did nothing.
"""

import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

TOKEN = os.environ.get("REPO_TOKEN") or os.environ["GITHUB_TOKEN"]
HOST, OWNER, NAME = re.fullmatch(r"https://([^/]+)/([^/]+)/([^/]+)", os.environ["CML_REPO"]).groups()
REPOSITORY = f"/repos/{OWNER}/{NAME}"


def call(method, path, body=None):
    request = urllib.request.Request(
        f"https://{HOST}/api/v3{path}",
        data=None if body is None else json.dumps(body).encode(),
        method=method,
        headers={
            "Accept": "application/vnd.github.v3+json",
            "Authorization": f"token {TOKEN}",
            "Content-Type": "application/json; charset=utf-8",
        },
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        text = response.read()
    return json.loads(text) if text else None


def git(*arguments):
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout.strip()


def comment(verb, file, options):
    number = re.fullmatch(r"pr/(\d+)", options["target"])[1]
    assert options.get("publish") == "false", "this uploads every linked file to a public host"
    mark = f"https://cml.dev/watermark.png#{os.environ['GITHUB_SHA']}"
    title = f"CML watermark {options.get('watermark-title', '')}".strip()
    body = {"body": f'{Path(file).read_text(encoding="utf-8")}\n\n![]({mark} "{title}")'}
    if verb == "update":
        pattern = rf'!\[\]\(https://cml\.dev/watermark\.png#[0-9a-fA-F]+ "{re.escape(title)}"\)'
        for earlier in reversed(call("GET", f"{REPOSITORY}/issues/{number}/comments")):
            if re.search(pattern, earlier["body"]):
                return call("PATCH", f"{REPOSITORY}/issues/comments/{earlier['id']}", body)["html_url"]
    return call("POST", f"{REPOSITORY}/issues/{number}/comments", body)["html_url"]


def pull_request(options):
    git("config", "user.name", options["user-name"])
    git("config", "user.email", options["user-email"])
    url = f"https://token:{TOKEN}@{HOST}/{OWNER}/{NAME}.git"
    git("remote", "set-url", "origin", url)
    source, target = options["branch"], options["target-branch"]
    git("ls-remote", "--exit-code", url, target)
    if source in git("ls-remote", url, source):
        for pull in call("GET", f"{REPOSITORY}/pulls?state=open"):
            if source.endswith(pull["head"]["ref"]) and target.endswith(pull["base"]["ref"]):
                return pull["html_url"]
    else:
        git("fetch", "origin", os.environ["GITHUB_SHA"])
        git("checkout", "-b", source)
        git("push", "--set-upstream", "origin", source)
    body = {"head": source, "base": target, "title": options["title"], "body": options["body"]}
    return call("POST", f"{REPOSITORY}/pulls", body)["html_url"]


def main():
    mode = os.environ.get("CML_DOUBLE")
    if mode == "down":
        sys.exit("ERROR: request to https://api.github.com failed, reason: getaddrinfo ENOTFOUND")
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    options = dict(word[2:].split("=", 1) for word in sys.argv[1:] if word.startswith("--"))
    with suppress(urllib.error.URLError):  # CML only wants an identity for its telemetry here
        call("GET", f"/users/{os.environ.get('GITHUB_ACTOR', 'nobody')}")
    if mode == "idle":
        print(f"https://{HOST}/{OWNER}/{NAME}/pull/1")
    elif words[0] == "comment":
        print(comment(words[1], words[2], options))
    else:
        print(pull_request(options))


main()
