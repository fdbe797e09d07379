"""A revocation between the moment a refresh token is looked up and the moment it is used: it gives nothing."""

from typing import Any

import pytest

from idp.store.grants import GrantStore
from idp.store.refresh_tokens import RefreshTokenStore
from tests.support.authorize import signed_in, trusted_party
from tests.support.idp_server import TimedServer
from tests.support.relying_party import claims_of


def started(timed: TimedServer, **changes: Any) -> tuple[Any, str, str]:
    """A client, its refresh token, and the grant that it belongs to."""
    party = trusted_party(timed, **changes)
    tokens = party.tokens(signed_in(timed, timed.add_user().username), scope="openid offline_access")
    return party, tokens["refresh_token"], claims_of(tokens["access_token"])["jti"].partition(".")[0]


@pytest.mark.spec("RFC 7009", "2.1", "MUST")
@pytest.mark.asvs("10.4.9")
def test_a_token_of_a_revoked_grant_can_neither_be_used_nor_go_on(timed: TimedServer) -> None:
    _, token, grant_id = started(timed)
    store = timed.store
    stored = store.refresh_tokens.find(token)
    assert stored is not None
    assert not stored.is_revoked
    assert store.refresh_tokens.rotate(token, "rt_next", grant_id, now=timed.now, expires_at=timed.now + 60)
    assert store.refresh_tokens.slide("rt_next", now=timed.now, expires_at=timed.now + 60)
    assert store.refresh_tokens.is_unused("rt_next")
    assert store.grants.revoke(grant_id, now=timed.now, why="test")
    assert not store.refresh_tokens.rotate("rt_next", "rt_last", grant_id, now=timed.now, expires_at=timed.now + 60)
    assert not store.refresh_tokens.slide("rt_next", now=timed.now, expires_at=timed.now + 60)
    assert not store.refresh_tokens.is_unused("rt_next"), "what is revoked is not handed out once more"
    assert store.refresh_tokens.find("rt_last") is None


@pytest.mark.spec("RFC 7009", "2.1", "MUST")
@pytest.mark.asvs("10.4.9")
@pytest.mark.parametrize(
    "method", [pytest.param("rotate", id="rotating"), pytest.param("slide", id="not rotating"),
               pytest.param("is_unused", id="repeated within the window")]
)  # fmt: skip
def test_a_revocation_just_before_the_use_wins(
    timed: TimedServer, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    party, token, grant_id = started(timed, rotate_refresh_tokens=method != "slide")
    if method == "is_unused":
        assert party.refresh(token).status_code == 200
    original = getattr(RefreshTokenStore, method)

    def after_revocation(self: RefreshTokenStore, *arguments: Any, **options: Any) -> Any:
        assert GrantStore(timed.store.database).revoke(grant_id, now=timed.now, why="test")
        return original(self, *arguments, **options)

    monkeypatch.setattr(RefreshTokenStore, method, after_revocation)
    answer = party.refresh(token)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert "access_token" not in answer.text
