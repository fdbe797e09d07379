"""Several providers behind one server: none of them can pass for another, whatever its answers and metadata say."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from idp.sandbox.servers import Sandbox
from idp.store.identities import Key
from tests.support.authorize import ask
from tests.support.forger import Begun, Forger, check_nobody, press_away, running_forger
from tests.support.idp_server import TimedServer, timed_server
from tests.support.relying_party import Browser, claims_of
from tests.support.upstream import CONNECTIONS, first_party, like, open_sandbox, press, sign_in_with, somebody

GOOGLE = "https://accounts.google.com"
BROKEN: dict[str, Any] = {
    "another issuer": {"issuer": GOOGLE},
    "an issuer with a slash": {"issuer": "+/"},
    "an issuer in upper case": {"issuer": "upper"},
    "no issuer": {"issuer": None},
    "a list of issuers": {"issuer": ["+"]},
    "no token endpoint": {"token_endpoint": None},
    "no keys": {"jwks_uri": None},
    "a script for an authorization endpoint": {"authorization_endpoint": "javascript:alert(1)"},
    "data for an authorization endpoint": {"authorization_endpoint": "data:text/html,<script>alert(1)</script>"},
    "a path for an authorization endpoint": {"authorization_endpoint": "/account"},
    "an address without scheme": {"authorization_endpoint": "//evil.example/authorize"},
    "credentials in an address": {"authorization_endpoint": "https://accounts.google.com:x@evil.example/authorize"},
    "a fragment in an address": {"authorization_endpoint": "https://evil.example/authorize#x"},
    "a number for an address": {"authorization_endpoint": 5},
    "a list for an address": {"token_endpoint": ["https://evil.example/token"]},
    "an address that is none": {"authorization_endpoint": "https://[::1/authorize"},
}


def path_of(number: int) -> str:
    return f"/broken{number}"


@pytest.fixture(scope="module")
def forger() -> Iterator[Forger]:
    with running_forger() as running:
        yield running


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sandbox, dict[str, str]]]:
    with open_sandbox(tmp_path_factory.mktemp("sandbox")) as opened:
        yield opened


@pytest.fixture(scope="module")
def stage(
    forger: Forger,
    sandbox: tuple[Sandbox, dict[str, str]],
    tmp_path_factory: pytest.TempPathFactory,
    signing_keys: Path,
) -> Iterator[TimedServer]:
    """The usual providers; two connections with one issuer; and a forger behind several others."""
    running, environment = sandbox
    google = running.origins["google"]
    changes = environment | like(environment, "acme", "acme-two")
    for number, broken in enumerate(BROKEN.values()):
        path = path_of(number)
        words = {"+/": forger.origin + path + "/", "upper": (forger.origin + path).upper()}
        forger.metadata[path] = {
            name: words.get(value, value) if isinstance(value, str) else value for name, value in broken.items()
        }
        changes |= forger.connection(f"broken{number}", path)
    forger.metadata["/iss"] = {"authorization_response_iss_parameter_supported": True}
    forger.metadata["/google"] = {  # it says that Google's endpoints are its own
        "authorization_endpoint": f"{google}/accounts.google.com/o/oauth2/v2/auth",
        "token_endpoint": f"{google}/oauth2.googleapis.com/token",
        "jwks_uri": f"{google}/www.googleapis.com/oauth2/v3/certs",
        "userinfo_endpoint": f"{google}/openidconnect.googleapis.com/v1/userinfo",
    }
    theirs = {
        "client_id": environment["upstream_google_client_id"],
        "client_secret": environment["upstream_google_client_secret"],
    }
    for name in ("evil", "twin", "iss", "google"):
        changes |= forger.connection(
            f"forger-{name}", f"/{name}", label=f"Forger {name}", **(theirs if name == "google" else {})
        )
    folder = tmp_path_factory.mktemp("mix-up")
    with timed_server(folder, keys_from=signing_keys, outbound_allowed_hosts=forger.host, **changes) as server:
        yield server


def arrive(forger: Forger, stage: TimedServer, name: str, **claims: Any) -> Begun:
    begun = press_away(first_party(stage), Browser(stage), name)
    path = "/" + name.removeprefix("forger-")
    code = forger.issue(forger.sign(forger.claims(begun, path, **claims)))
    return Begun(begun.asked.then(begun.answer(code=code)), begun.browser, begun.url)


# --- The iss parameter


@pytest.mark.spec("RFC 9207", "2.4", "MUST")
@pytest.mark.asvs("10.2.2")
@pytest.mark.parametrize("iss", [None, "", "https://accounts.google.com", "+/", "+ ", "upper"])
def test_where_a_provider_says_who_it_is_every_answer_must(forger: Forger, stage: TimedServer, iss: str | None) -> None:
    issuer = f"{forger.origin}/iss"
    wrong = {"+/": issuer + "/", "+ ": issuer + " ", "upper": issuer.upper()}.get(iss or "", iss)
    begun = press_away(first_party(stage), Browser(stage), "forger-iss")
    code = forger.issue(forger.sign(forger.claims(begun, "/iss")))
    before = forger.paths().count("/iss/token")
    check_nobody(begun.browser, begun.answer(code=code, iss=wrong), 400)
    assert forger.paths().count("/iss/token") == before, "the code was given to nobody"
    right = press_away(first_party(stage), Browser(stage), "forger-iss")
    code = forger.issue(forger.sign(forger.claims(right, "/iss")))
    assert right.land(code=code, iss=issuer).callback.code


@pytest.mark.spec("RFC 9207", "2.4", "MUST")
@pytest.mark.asvs("10.2.2")
@pytest.mark.parametrize("name", CONNECTIONS)
def test_an_answer_that_names_another_issuer_is_refused_everywhere(stage: TimedServer, name: str) -> None:
    """Also of providers that usually say nothing."""
    asked = ask(first_party(stage), Browser(stage))
    back = press(asked.page, name).leave({"person": "new", **somebody(name).fields})
    wrong = back.params | {"iss": "https://another.example"}
    if back.form is None:
        answer = asked.browser.get(back.url.partition("?")[0], params=wrong)
    else:
        answer = asked.browser.post(back.url, data=wrong)
    check_nobody(asked.browser, answer, 400)


@pytest.mark.spec("RFC 9207", "2.4", "MUST")
def test_an_error_with_another_issuer_is_not_believed_either(forger: Forger, stage: TimedServer) -> None:
    begun = press_away(first_party(stage), Browser(stage), "forger-iss")
    page = check_nobody(begun.browser, begun.answer(error="access_denied", iss="https://another.example"), 400)
    assert "cannot be continued" in page.text


# --- Metadata


@pytest.mark.spec("OpenID Connect Discovery", "4.3", "MUST")
@pytest.mark.asvs("10.5.3")
@pytest.mark.parametrize("broken", BROKEN)
def test_metadata_that_is_not_the_configured_issuers_leads_nowhere(stage: TimedServer, broken: str) -> None:
    name = f"broken{list(BROKEN).index(broken)}"
    browser = Browser(stage)
    asked = ask(first_party(stage), browser)
    for expected in (502, 503):  # and a moment later it is not asked again
        check_nobody(browser, asked.page.submit(f"continue-with-{name}"), expected)
    assert asked.log_in(stage.add_user().username).callback.code, "the request is still there"


@pytest.mark.spec("RFC 9700", "4.4.2.2", "MUST")
@pytest.mark.asvs("10.2.2")
@pytest.mark.asvs("10.5.3")
def test_a_provider_that_names_googles_endpoints_gets_nobody_from_google_in(stage: TimedServer) -> None:
    """The person signs in at the true Google, which answers to where the forger's client was sent from: a redirect URI
    that Google would not know. Even if it did, its ID token names another issuer than the one configured."""
    person = somebody("google")
    asked = ask(first_party(stage), Browser(stage))
    away = press(asked.page, "forger-google")
    assert away.asked["redirect_uri"] == stage.url("/upstream/forger-google/callback"), "not the one Google knows"
    back = away.leave({"person": "new", **person.fields})
    check_nobody(asked.browser, back.go(asked.browser), 400)  # Google's own iss gives it away
    away = press(ask(first_party(stage), asked.browser).page, "forger-google")
    params = away.leave({"person": "new", **person.fields}).params
    silent = {name: value for name, value in params.items() if name != "iss"}
    check_nobody(asked.browser, asked.browser.get(away.asked["redirect_uri"], params=silent), 502)
    for name in ("google", "forger-google"):
        assert stage.store.identities.find(Key(name, GOOGLE, person.sub)) is None


@pytest.mark.spec("OpenID Connect Core", "3.1.3.7", "MUST")
@pytest.mark.asvs("6.8.1")
@pytest.mark.asvs("10.5.2")
def test_a_provider_that_says_a_subject_of_google_is_a_stranger(forger: Forger, stage: TimedServer) -> None:
    """Its own signature, its own issuer, and the subject of somebody who signs in here with Google."""
    person, party = somebody("google"), first_party(stage)
    callback = sign_in_with(party, Browser(stage), "google", person).callback
    victim = claims_of(party.redeem(callback).json()["id_token"])["sub"]
    check_nobody(*refused(forger, stage, "forger-evil", iss=GOOGLE, sub=person.sub))
    check_nobody(*refused(forger, stage, "forger-evil", iss="accounts.google.com", sub=person.sub))
    begun = arrive(forger, stage, "forger-evil", sub=person.sub)
    mine = begun.asked.client.redeem(begun.asked.callback).json()["id_token"]
    assert claims_of(mine)["sub"] != victim


def refused(forger: Forger, stage: TimedServer, name: str, **claims: Any) -> tuple[Browser, Any, int]:
    begun = arrive(forger, stage, name, **claims)
    return begun.browser, begun.asked.response, 502


@pytest.mark.spec("OpenID Connect Core", "5.7", "MUST")
@pytest.mark.asvs("6.8.1")
def test_one_subject_at_two_issuers_is_two_people(forger: Forger, stage: TimedServer) -> None:
    people = set()
    for name in ("forger-evil", "forger-twin", "forger-evil"):
        begun = arrive(forger, stage, name, sub="the-same")
        tokens = begun.asked.client.redeem(begun.asked.callback).json()
        people.add(claims_of(tokens["id_token"])["sub"])
    assert len(people) == 2


@pytest.mark.asvs("6.8.1")
@pytest.mark.asvs("10.5.2")
def test_one_subject_under_one_name_whose_issuer_has_changed_is_another_person(
    forger: Forger, tmp_path: Path, signing_keys: Path
) -> None:
    """The operator points a connection at another provider: the subjects of the old one are worth nothing there."""
    people = []
    for path in ("/old", "/new"):
        changes = forger.connection("forger-moved", path)
        with timed_server(tmp_path, keys_from=signing_keys, outbound_allowed_hosts=forger.host, **changes) as server:
            begun = press_away(first_party(server), Browser(server), "forger-moved")
            landed = begun.land(code=forger.issue(forger.sign(forger.claims(begun, path, sub="the-same"))))
            tokens = landed.client.redeem(landed.callback).json()
            people.append(claims_of(tokens["id_token"])["sub"])
    assert people[0] != people[1]


@pytest.mark.asvs("6.8.1")
def test_one_subject_of_two_microsoft_tenants_is_two_people(stage: TimedServer) -> None:
    sub = somebody("microsoft").sub
    people = []
    for email_verified in ("true", "false"):  # the stand-in's personal tenant, and the one of its organisation
        party = first_party(stage)
        person = somebody("microsoft", sub=sub, email_verified=email_verified)
        callback = sign_in_with(party, Browser(stage), "microsoft", person).callback
        people.append(claims_of(party.redeem(callback).json()["id_token"])["sub"])
    assert people[0] != people[1]


# --- Two connections with one issuer


@pytest.mark.spec("RFC 9700", "4.4.2.2", "MUST")
@pytest.mark.asvs("10.2.2")
def test_two_connections_with_one_issuer_do_not_take_each_others_answers(stage: TimedServer) -> None:
    asked = ask(first_party(stage), Browser(stage))
    back = press(asked.page, "acme").leave({"person": "new", **somebody("acme").fields})
    swapped = back.url.replace("/upstream/acme/", "/upstream/acme-two/")
    check_nobody(asked.browser, asked.browser.get(swapped), 400)
    assert asked.then(back.go(asked.browser)).callback.code


@pytest.mark.asvs("6.8.1")
def test_two_connections_with_one_issuer_know_their_own_people(stage: TimedServer) -> None:
    """An operator who lets two client registrations in means two sets of people: nothing is shared silently."""
    sub, people = somebody("acme").sub, set()
    for name in ("acme", "acme-two", "acme"):
        party = first_party(stage)
        callback = sign_in_with(party, Browser(stage), name, somebody("acme", sub=sub)).callback
        people.add(claims_of(party.redeem(callback).json()["id_token"])["sub"])
    assert len(people) == 2
