"""The webhook fixtures that the cluster's side is tested with: as GitHub's schemas have them, and signed."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest
from jsonschema import Draft7Validator

from tests.fixtures.webhooks.derive import EVENTS, FILES, HERE, SECRET, body, headers

SCHEMA = json.loads((HERE / "schema.json").read_text(encoding="utf-8"))
DEFINITION = {"push": "push$event", "pull_request-merged": "pull_request$closed"}


@pytest.mark.parametrize("name", EVENTS)
def test_the_payload_is_as_the_published_schema_has_it(name: str) -> None:
    schema = SCHEMA | {"$ref": f"#/definitions/{DEFINITION[name]}"}
    assert [error.message for error in Draft7Validator(schema).iter_errors(json.loads(body(name)))] == []


@pytest.mark.parametrize("name", EVENTS)
def test_the_schema_refuses_what_github_does_not_send(name: str) -> None:
    payload = json.loads(body(name))
    del payload["repository"]["full_name"]
    schema = SCHEMA | {"$ref": f"#/definitions/{DEFINITION[name]}"}
    assert list(Draft7Validator(schema).iter_errors(payload))


@pytest.mark.parametrize("name", EVENTS)
def test_the_signature_is_of_the_raw_body(name: str) -> None:
    said = headers(name)["X-Hub-Signature-256"]
    assert said == "sha256=" + hmac.new(SECRET.encode(), body(name), hashlib.sha256).hexdigest()
    assert said != "sha256=" + hmac.new(SECRET.encode(), body(name) + b" ", hashlib.sha256).hexdigest()


def test_both_are_of_one_merge_to_main_that_moves_the_pin() -> None:
    push, merged = json.loads(body("push")), json.loads(body("pull_request-merged"))
    assert push["ref"] == "refs/heads/main" and push["head_commit"]["modified"] == FILES
    assert merged["action"] == "closed" and merged["pull_request"]["merged"] is True
    assert merged["pull_request"]["base"]["ref"] == "main"
    assert merged["pull_request"]["merge_commit_sha"] == push["after"] == push["head_commit"]["id"]
