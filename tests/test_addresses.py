"""No message shows a secret that an address carries."""

from __future__ import annotations

import pytest

from slipway.__main__ import main
from slipway.addresses import masked


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://ghp_SECRET@host/a", "https://***@host/a"),
        ("https://anna:SECRET@host:5000", "https://anna:***@host:5000"),
        ("https://anna:SEC@RET@host", "https://anna:***@host"),
        ("https://anna:SEC/R?E#T@host/x", "https://anna:***@host/x"),
        ("https://:SECRET@host", "https://***@host"),
        ("https://x-access-token:ghs_SECRET@github.com/a/b", "https://x-access-token:***@github.com/a/b"),
        (
            "postgresql+psycopg://host/db?user=anna&password=SECRET",
            "postgresql+psycopg://host/db?user=anna&password=***",
        ),
        ("https://host/a?X-Amz-Signature=SECRET&b=1", "https://host/a?X-Amz-Signature=***&b=1"),
        ("s3://bucket/model", "s3://bucket/model"),
        ("flight-delay@champion at http://host:5000", "flight-delay@champion at http://host:5000"),
        ("oci://host/image@sha256:00", "oci://host/image@sha256:00"),
    ],
)
def test_what_is_secret_in_an_address_is_not_shown(address: str, shown: str) -> None:
    assert masked(f"'{address}' fails, {address} too") == f"'{shown}' fails, {shown} too"


@pytest.mark.parametrize(
    "uri", ["https://ghp_SECRET@127.0.0.1:1", "http://a:p@SECRET@127.0.0.1:1", "http://a:p/SECRET@b"]
)
def test_a_verb_prints_none(uri: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    assert main(["trace", "flight-delay@champion"]) != 0
    printed = "".join(capsys.readouterr())
    assert "***@" in printed and "SECRET" not in printed
