"""What a person must still do, worked out from what is stored: the tables behind `prompt`, `max_age` and consent."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from idp.authorization.interaction import Progress
from idp.authorization.request import AuthorizationRequest, Target
from idp.authorization.steps import STEPS, Standing, consent_items, is_identity_assured, next_step
from idp.protocol.claims import parse_claims
from idp.protocol.errors import (
    AccountSelectionRequired,
    ConsentRequired,
    InteractionRequired,
    LoginRequired,
    OAuthError,
)
from idp.protocol.identity import Session, User
from idp.protocol.params import Params
from idp.settings import load_settings
from idp.store import open_store
from tests.support.accounts import make_client
from tests.support.idp_server import prepare

NOW = 1_800_000_000
ADA, BEN = User("u_ada", "ada"), User("u_ben", "ben")
SESSION = Session("sid", ADA.id, NOW - 100, "aal1", ("pwd",), NOW - 100, NOW, NOW + 1000)
SIGNED_IN = Progress(signed_in_sid="sid")


TWO_FACTORS = replace(SESSION, acr="aal2", amr=("pwd", "otp", "mfa"))
ESSENTIAL_TWO = '{"id_token":{"acr":{"essential":true,"value":"aal2"}}}'


class OnlyStore:
    """As much of a Server as the steps use."""

    def __init__(self, store: Any, settings: Any) -> None:
        self.store, self.settings = store, settings


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("steps")
    paths = {"IDP_KEYS_DIR": str(folder / "keys"), "IDP_VAR_DIR": str(folder)}
    settings = load_settings({"IDP_DATABASE_URL": f"sqlite:///{folder}/idp.sqlite3"} | paths, None)
    prepare(settings, signing_keys)
    store = open_store(settings.database_url)
    store.consents.add(ADA.id, "known", ["openid", "email"], now=NOW)
    yield OnlyStore(store, settings)
    store.database.dispose()


def standing(
    server: Any,
    prompt: str = "",
    *,
    scopes: str = "openid",
    claims: str | None = None,
    session: Session | None = SESSION,
    progress: Progress | None = None,
    max_age: int | None = None,
    required_sub: str | None = None,
    client_id: str = "known",
    first_party: bool = False,
    redirect_uri: str = "https://c.example/cb",
    public: bool = False,
    strict: bool = False,
) -> Standing:
    method = "none" if public else "client_secret_basic"
    client = make_client(
        client_id, first_party=first_party, token_endpoint_auth_method=method, require_second_factor=strict
    )
    request = AuthorizationRequest(
        target=Target(client, redirect_uri, True, None, "query"),
        params=Params([]),
        scopes=tuple(scopes.split()),
        resources=(),
        prompt=tuple(prompt.split()),
        claims=parse_claims(claims),
        max_age=max_age,
        required_sub=required_sub,
    )
    return Standing(server, request, session, ADA if session else None, progress or Progress(), NOW)


OWN_APP = {"public": True, "first_party": True, "redirect_uri": "app:/cb"}
NEEDED: list[Any] = [
    pytest.param({}, None, id="session and consent are there"),
    pytest.param({"session": None}, "login", id="nobody is signed in"),
    pytest.param({"session": None, "prompt": "consent"}, "login", id="sign-in comes first"),
    pytest.param({"prompt": "login"}, "login", id="prompt=login"),
    pytest.param({"prompt": "login", "progress": SIGNED_IN}, None, id="prompt=login, done for this request"),
    pytest.param(
        {"prompt": "login", "progress": Progress(signed_in_sid="another")}, "login", id="done by another session"
    ),
    pytest.param({"prompt": "select_account"}, "select_account", id="prompt=select_account"),
    pytest.param({"prompt": "select_account", "progress": SIGNED_IN}, None, id="signing in was a choice"),
    pytest.param({"prompt": "select_account", "progress": Progress(chose_account=True)}, None, id="account chosen"),
    pytest.param({"prompt": "select_account", "progress": Progress(switches_account=True)}, "login", id="switching"),
    pytest.param({"prompt": "consent"}, "consent", id="prompt=consent"),
    pytest.param({"prompt": "consent", "progress": Progress(consented_user_id=ADA.id)}, None, id="consent given"),
    pytest.param(
        {"prompt": "consent", "progress": Progress(consented_user_id=BEN.id)}, "consent", id="by another person"
    ),
    pytest.param({"prompt": "consent", "first_party": True}, "consent", id="prompt=consent, first party"),
    pytest.param({"max_age": 0}, "login", id="max_age=0"),
    pytest.param({"max_age": 0, "progress": SIGNED_IN}, None, id="max_age=0, done for this request"),
    pytest.param({"max_age": 99}, "login", id="max_age passed by a second"),
    pytest.param({"max_age": 100}, None, id="max_age to the second"),
    pytest.param({"required_sub": ADA.id}, None, id="the person asked for"),
    pytest.param({"required_sub": BEN.id}, "login", id="another person than asked for"),
    pytest.param({"client_id": "new"}, "consent", id="never asked before, openid alone"),
    pytest.param({"client_id": "new", "first_party": True}, None, id="first party"),
    pytest.param({"scopes": "openid email"}, None, id="allowed before"),
    pytest.param({"scopes": "openid email phone"}, "consent", id="more than allowed before"),
    pytest.param({"claims": '{"userinfo":{"email":null}}'}, None, id="a claim of an allowed scope"),
    pytest.param({"claims": '{"id_token":{"name":null}}'}, "consent", id="a claim of no allowed scope"),
    pytest.param({"claims": '{"id_token":{"sub":null,"acr":null}}'}, None, id="claims about nobody's person"),
    pytest.param({"session": None, "progress": Progress(owes_factor=True)}, "second_factor", id="a factor is owed"),
    pytest.param({"claims": ESSENTIAL_TWO}, "second_factor", id="two factors are essential, one was given"),
    pytest.param({"claims": ESSENTIAL_TWO, "session": TWO_FACTORS}, None, id="two factors are essential, and there"),
    pytest.param({"session": None, "claims": ESSENTIAL_TWO}, "login", id="a factor comes after the sign-in"),
    pytest.param({"strict": True}, "second_factor", id="the client lets nobody in with one factor"),
    pytest.param({"strict": True, "session": TWO_FACTORS}, None, id="the client lets two factors in"),
    pytest.param(
        {"strict": True, "progress": Progress(skipped_factor=True)}, "second_factor", id="nobody skips what is required"
    ),
    pytest.param({"public": True}, None, id="public client at https"),
    pytest.param({"public": True, "redirect_uri": "app:/cb"}, "consent", id="RFC 8252 §8.6 private-use scheme"),
    pytest.param({"public": True, "redirect_uri": "http://127.0.0.1:1/cb"}, "consent", id="RFC 8252 §8.6 loopback"),
    pytest.param(
        {"public": True, "redirect_uri": "app:/cb", "progress": SIGNED_IN}, "consent", id="§8.6 third party, acted"
    ),
    pytest.param(OWN_APP, "consent", id="RFC 8252 §8.6 first party, a session alone"),
    pytest.param(
        OWN_APP | {"redirect_uri": "http://[::1]/cb"}, "consent", id="RFC 8252 §8.6 first party, loopback, a session"
    ),
    pytest.param(OWN_APP | {"progress": SIGNED_IN}, None, id="first party, has just signed in"),
    pytest.param(OWN_APP | {"progress": Progress(chose_account=True)}, None, id="first party, has chosen the account"),
    pytest.param(
        OWN_APP | {"progress": Progress(signed_in_sid="sid", hint_followed=True)}, "consent", id="sent on by idp_hint"
    ),
    pytest.param(OWN_APP | {"progress": Progress(consented_user_id=ADA.id)}, None, id="first party, continued"),
    pytest.param(OWN_APP | {"redirect_uri": "https://c.example/cb"}, None, id="first party, claimed https"),
    pytest.param(OWN_APP | {"public": False}, None, id="first party, with a secret"),
]


@pytest.mark.spec("OpenID Connect Core", "3.1.2.1", "MUST")
@pytest.mark.spec("OpenID Connect Core", "3.1.2.4", "MUST")
@pytest.mark.parametrize(("given", "expected"), NEEDED)
def test_the_next_step(server: Any, given: dict[str, Any], expected: str | None) -> None:
    step = next_step(standing(server, **given))
    assert (step.name if step else None) == expected


@pytest.mark.spec("OpenID Connect Core", "3.1.2.6", "MUST")
@pytest.mark.parametrize(("given", "expected"), [param for param in NEEDED if "prompt" not in param.values[0]])
def test_with_prompt_none_a_needed_step_is_its_error(server: Any, given: dict[str, Any], expected: str | None) -> None:
    errors: dict[str, type[OAuthError]] = {"login": LoginRequired, "consent": ConsentRequired,
                                           "select_account": AccountSelectionRequired,
                                           "second_factor": InteractionRequired}  # fmt: skip
    if expected is None:
        assert next_step(standing(server, "none", **given)) is None
    else:
        with pytest.raises(errors[expected]):
            next_step(standing(server, "none", **given))


@pytest.mark.spec("OpenID Connect Core", "3.1.2.1", "MUST")
def test_another_person_who_has_just_signed_in_is_an_error_and_no_loop(server: Any) -> None:
    with pytest.raises(LoginRequired):
        next_step(standing(server, required_sub=BEN.id, progress=SIGNED_IN))


def test_every_step_has_an_error_and_a_page_of_its_own() -> None:
    assert len({step.path for step in STEPS}) == len({step.name for step in STEPS}) == len(STEPS)
    assert all(issubclass(step.error, OAuthError) for step in STEPS)


def test_what_is_remembered_of_a_consent(server: Any) -> None:
    wish = '{"userinfo": {"name": null, "email": null}, "id_token": {"name": null, "unheard": null, "sub": null}}'
    request = standing(server, scopes="openid email", claims=wish).request
    assert consent_items(request) == {"openid", "email", "claim name"}
    assert consent_items(request, frozenset({"profile"})) == {"openid", "email"}
    assert consent_items(replace(request, scopes=("orders:read",))) == {"orders:read", "claim name", "claim email"}


@pytest.mark.spec("RFC 8252", "8.6", "SHOULD NOT")
@pytest.mark.parametrize(
    ("uri", "public", "assured"),
    [("app:/cb", True, False), ("http://127.0.0.1/cb", True, False), ("http://[::1]:9/cb", True, False),
     ("https://c.example/cb", True, True), ("app:/cb", False, True), ("http://127.0.0.1/cb", False, True)],
)  # fmt: skip
def test_whose_identity_is_assured(uri: str, public: bool, assured: bool) -> None:
    client = make_client(token_endpoint_auth_method="none" if public else "client_secret_basic")
    assert is_identity_assured(client, uri) is assured
