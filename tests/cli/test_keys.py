"""`idp keys`: rotation is planned, told in words, and works when the database does not."""

import pytest

from idp.store import Store
from tests.cli.conftest import Idp, events, run_idp


def by_state(idp: Idp, alg: str, state: str) -> list[str]:
    return [k["kid"] for k in idp("keys", "list", "--json").json if (k["alg"], k["state"]) == (alg, state)]


def test_the_list_shows_states_and_times(idp: Idp) -> None:
    keys = idp("keys", "list", "--json").json
    assert {key["alg"] for key in keys} == {"RS256", "ES256"}
    assert all(key["published"] for key in keys)
    assert all(key["created_at"].endswith("Z") for key in keys)
    out = idp("keys", "list").out
    assert all(key["kid"] in out for key in keys)


def test_rotation_hands_over_to_the_key_that_was_published_before(idp: Idp, store: Store) -> None:
    (coming,), (leaving,) = by_state(idp, "RS256", "next"), by_state(idp, "RS256", "active")
    answer = idp("keys", "rotate", "--alg", "RS256")
    assert f"the key {coming} signs from now on" in answer.out
    assert by_state(idp, "RS256", "active") == [coming]
    assert by_state(idp, "RS256", "retired") == [leaving]
    assert events(store)[-1] == "keys.rotated"


def test_a_key_published_a_moment_ago_begins_later_and_the_answer_says_when(idp: Idp) -> None:
    idp("keys", "rotate", "--alg", "RS256")
    answer = idp("keys", "rotate", "--alg", "RS256")
    assert "begins to sign in" in answer.out
    assert idp("keys", "rotate", "--alg", "RS256", "--json").json[0]["state"] == "next"
    assert idp("keys", "rotate", "--alg", "RS256", "--now", "--json").json[0]["state"] == "active"


def test_retire_and_unpublish(idp: Idp, store: Store) -> None:
    (kid,) = by_state(idp, "ES256", "active")
    retired = idp("keys", "retire", kid, "--json").json
    assert (retired["state"], retired["published"]) == ("retired", True)
    gone = idp("keys", "retire", kid, "--unpublish", "--json").json
    assert gone["published"] is False
    assert len(by_state(idp, "ES256", "active")) == 1
    assert events(store)[-2:] == ["keys.retired", "keys.retired"]


def test_prune_keeps_keys_whose_tokens_may_live(idp: Idp) -> None:
    idp("keys", "rotate")
    assert idp("keys", "prune", "--json").json == {"deleted": []}


@pytest.mark.parametrize("kid", ["-hAbc", "--kid", "-"])
def test_a_key_id_may_begin_with_a_hyphen(idp: Idp, kid: str) -> None:
    for arguments in (["retire", kid], ["retire", kid, "--unpublish"], ["retire", "--unpublish", "--", kid]):
        assert "There is no signing key" in idp("keys", *arguments).err
    assert "There is no signing key" in idp("keys", "retire", kid, "--json").json["error"]


def test_mistakes_are_sentences(idp: Idp) -> None:
    assert "no signing key" in idp("keys", "retire", "nothing").err
    assert "XX" in idp("keys", "rotate", "--alg", "XX", "--json").json["error"]


def test_keys_rotate_even_when_the_database_is_down(idp: Idp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDP_DATABASE_URL", "postgresql+psycopg://idp:hidden@127.0.0.1:1/idp")
    answer = idp("keys", "rotate", "--json")
    assert answer.code == 0
    assert [key["state"] for key in answer.json] == ["active", "active"]
    assert "Not written to the audit trail" in answer.err
    assert "hidden" not in answer.err


@pytest.mark.usefixtures("empty_folder")
def test_without_keys_the_answer_says_so() -> None:
    answer = run_idp("keys", "list", "--json")
    assert answer.code == 1
    assert "does not exist" in answer.json["error"]
