"""Cut GitHub's published API description down to the calls that this template makes.

  npm pack @octokit/openapi@23.0.2 && tar xzf octokit-openapi-23.0.2.tgz
  python tests/workflows/github/trim.py package/generated/api.github.com.json

Writes api.json beside this file: for each operation the JSON schemas of its request and of its answers, and GitHub's
own example of the answer. OpenAPI 3.0's `nullable` becomes JSON Schema's `null`; descriptions are dropped.
The whole description is 13 MB; its notice is in NOTICE.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

REPOSITORY = "/repos/{owner}/{repo}"
OPERATIONS = {
    "/users/{username}": ["get"],
    REPOSITORY: ["get", "patch"],
    f"{REPOSITORY}/actions/permissions/workflow": ["put"],
    f"{REPOSITORY}/actions/workflows/{{workflow_id}}/dispatches": ["post"],
    f"{REPOSITORY}/check-runs": ["post"],
    f"{REPOSITORY}/comments/{{comment_id}}": ["patch"],
    f"{REPOSITORY}/commits/{{commit_sha}}/comments": ["get", "post"],
    f"{REPOSITORY}/commits/{{commit_sha}}/pulls": ["get"],
    f"{REPOSITORY}/commits/{{ref}}": ["get"],
    f"{REPOSITORY}/commits/{{ref}}/check-runs": ["get"],
    f"{REPOSITORY}/commits/{{ref}}/status": ["get"],
    f"{REPOSITORY}/compare/{{basehead}}": ["get"],
    f"{REPOSITORY}/dispatches": ["post"],
    f"{REPOSITORY}/hooks": ["get"],
    f"{REPOSITORY}/hooks/{{hook_id}}/deliveries": ["get"],
    f"{REPOSITORY}/hooks/{{hook_id}}/deliveries/{{delivery_id}}/attempts": ["post"],
    f"{REPOSITORY}/issues/comments/{{comment_id}}": ["patch"],
    f"{REPOSITORY}/issues/{{issue_number}}/comments": ["get", "post"],
    f"{REPOSITORY}/issues/{{issue_number}}/labels": ["post"],
    f"{REPOSITORY}/issues/{{issue_number}}/labels/{{name}}": ["delete"],
    f"{REPOSITORY}/pulls": ["get", "post"],
    f"{REPOSITORY}/pulls/{{pull_number}}": ["get", "patch"],
    f"{REPOSITORY}/releases": ["get", "post"],
    f"{REPOSITORY}/releases/generate-notes": ["post"],
    f"{REPOSITORY}/rulesets": ["get", "post"],
    f"{REPOSITORY}/rulesets/{{ruleset_id}}": ["put"],
    f"{REPOSITORY}/statuses/{{sha}}": ["post"],
}
PROSE = {"description", "example", "examples", "externalDocs", "summary", "title"}


def main(source: Path) -> None:
    """Read the description at ``source``, write api.json."""
    whole = json.loads(source.read_text(encoding="utf-8"))
    needed: dict[str, Any] = {}

    def followed(ref: str) -> Any:
        at = whole
        for part in ref.removeprefix("#/").split("/"):
            at = at[part]
        return at

    def schema(value: Any, names_are_keys: bool = False) -> Any:
        """``value`` as JSON Schema; the components it names are added to ``needed``."""
        if isinstance(value, list):
            return [schema(item) for item in value]
        if not isinstance(value, dict):
            return value
        if "$ref" in value:
            name = value["$ref"].rsplit("/", 1)[1]
            if name not in needed:
                needed[name] = {}
                needed[name] = schema(followed(value["$ref"]))
            return {"$ref": f"#/components/{name}"}
        kept = {
            key: schema(item, names_are_keys=key == "properties")
            for key, item in value.items()
            if names_are_keys or (key not in PROSE and key != "nullable" and not key.startswith("x-"))
        }
        if value.get("nullable") is True and not names_are_keys:
            return {"anyOf": [kept, {"type": "null"}]}
        return kept

    def answer(response: Any) -> dict[str, Any]:
        response = followed(response["$ref"]) if "$ref" in response else response
        content = response.get("content", {}).get("application/json", {})
        cut: dict[str, Any] = {"schema": schema(content["schema"])} if "schema" in content else {}
        for example in content.get("examples", {}).values():
            cut["example"] = (followed(example["$ref"]) if "$ref" in example else example)["value"]
            break
        return cut

    operations = {}
    for path, methods in OPERATIONS.items():
        for method in methods:
            operation = whole["paths"][path][method]
            cut = {"answers": {status: answer(it) for status, it in operation["responses"].items() if status < "300"}}
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            if "schema" in body:
                cut["request"] = schema(body["schema"])
            operations[f"{method.upper()} {path}"] = cut
    api = {"operations": operations, "components": dict(sorted(needed.items()))}
    text = json.dumps(api, separators=(",", ":"), sort_keys=True)
    text = re.sub(r'"temp_clone_token":"\w+"', '"temp_clone_token":""', text)  # what looks like a secret, alarms
    Path(__file__).with_name("api.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
