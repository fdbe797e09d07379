"""`idp inspect`: a refusal as an operator reads it, and that nothing in it can move the terminal's cursor."""

import time
from typing import Any

import pytest

from idp.protocol.findings import Finding
from idp.store import Store
from idp.store.refusals import Refusal
from tests.cli.conftest import Idp

HOSTILE = "x\x1b[2J\n\u202egpj.exe\ud800\x07"
URI = Finding(
    "redirect_uri",
    ("https://app.example.com/callback", "http://localhost:3000/callback"),
    "http://app.example.com/callback/",
    "The scheme is http, not https.",
    is_compared=True,
)
PKCE = Finding("pkce", ("code_challenge abcd… (43 characters)",), "S256 of code_verifier efgh… (43 characters)", "Why.")


def keep(store: Store, request_id: str, *findings: Finding, client_id: str | None = "web", **members: Any) -> None:
    from dataclasses import asdict

    document = {
        "method": "GET",
        "endpoint": "/authorize",
        "description": "What the client was told.",
        "findings": [asdict(finding) for finding in findings],
        "sent": {"client_id": "web", "state": "(43 characters)"},
        "network": "203.0.113.0/24",
    } | members
    store.refusals.add(Refusal(request_id, int(time.time()), "invalid_request", client_id, document))


def test_a_refusal_is_told_with_what_differs_marked_character_by_character(idp: Idp, store: Store) -> None:
    keep(store, "00ff", URI, PKCE)
    told = idp("inspect", "00ff")
    assert told.code == 0
    lines = told.out.splitlines()
    assert lines[0] == "invalid_request: What the client was told."
    assert lines[1].startswith("GET /authorize at 20")
    assert lines[1].endswith(", client web, from 203.0.113.0/24")
    start = lines.index("1. redirect_uri")
    assert lines[start + 1 : start + 6] == [
        "   expected  https://app.example.com/callback·",
        "   received  http·://app.example.com/callback/",
        "                 ^                           ^",
        "   or        http://localhost:3000/callback",
        "   The scheme is http, not https.",
    ]
    assert "   expected  code_challenge abcd… (43 characters)" in lines
    assert "   state      (43 characters)" in lines


def test_it_is_the_same_in_json(idp: Idp, store: Store) -> None:
    keep(store, "00ff", URI)
    assert "marked" not in idp("inspect", "--json").json[0]["findings"][0], "in a list that is too much work"
    told = idp("inspect", "00ff", "--json").json
    assert (told["request_id"], told["error"], told["client_id"]) == ("00ff", "invalid_request", "web")
    (found,) = told["findings"]
    assert found["expected"] == list(URI.expected)
    assert found["marked"][2].count("^") == 2
    assert told["sent"]["state"] == "(43 characters)"


def test_without_an_id_the_newest_are_listed_those_of_one_client_where_it_is_named(idp: Idp, store: Store) -> None:
    assert idp("inspect").out == "Nothing was refused lately.\n"
    for number, client_id in enumerate(("web", "app", None, "web")):
        keep(store, f"id-{number}", client_id=client_id)
    assert [each["request_id"] for each in idp("inspect", "--json").json] == ["id-3", "id-2", "id-1", "id-0"]
    assert [each["request_id"] for each in idp("inspect", "--client", "web", "--json").json] == ["id-3", "id-0"]
    assert len(idp("inspect", "--limit", "1", "--json").json) == 1
    listed = idp("inspect").out
    assert "What the client was told." in listed
    assert len(listed.splitlines()) == 5


def test_what_is_not_known_is_said_so(idp: Idp, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(store, "00ff")
    for unknown in ("00fe", "00ff ", "-x", "\x1b[2J", "ü" * 500):
        refused = idp("inspect", unknown)
        if unknown.strip() == "00ff":
            assert refused.code == 0, "copied with a space"
            continue
        assert refused.code == 1
        assert "Nothing is noted (yet) of" in refused.err
        assert "\x1b" not in refused.err
    assert "Nothing is noted (yet)" in idp("inspect", "00fe", "--json").json["error"]
    monkeypatch.setenv("IDP_INSPECT_RETENTION", "0")
    assert "IDP_INSPECT_RETENTION" in idp("inspect", "00fe").err


@pytest.mark.asvs("16.4.1")
def test_nothing_that_was_sent_reaches_the_terminal_as_a_control_character(idp: Idp, store: Store) -> None:
    hostile = Finding(HOSTILE, (HOSTILE, HOSTILE), HOSTILE + "y", HOSTILE, is_compared=True)
    keep(
        store, "00ff", hostile, Finding(HOSTILE, (HOSTILE,), HOSTILE),
        description=HOSTILE, endpoint=HOSTILE, sent={HOSTILE: HOSTILE},
    )  # fmt: skip
    for arguments in (("inspect", "00ff"), ("inspect",), ("inspect", "00ff", "--json"), ("inspect", "--json")):
        told = idp(*arguments)
        assert told.code == 0
        assert all(character.isprintable() or character == "\n" for character in told.out), arguments
        assert "gpj.exe" in told.out


def test_what_another_version_has_kept_is_shown_as_far_as_it_is_understood(idp: Idp, store: Store) -> None:
    store.refusals.add(Refusal("00ff", 0, "later", None, {"findings": [{"check": "x", "colour": "red"}], "more": 1}))
    assert "1. x" in idp("inspect", "00ff").out
    store.refusals.add(Refusal("00fe", 0, "bare", None, {}))
    assert idp("inspect", "00fe").code == 0


def test_pruning_forgets_refusals_too(idp: Idp, store: Store) -> None:
    store.refusals.add(Refusal("old", int(time.time()) - 90_000, "x"))
    keep(store, "new")
    assert idp("db", "prune", "--json").json["deleted"]["refusals"] == 1
    assert [each.request_id for each in store.refusals.list()] == ["new"]
