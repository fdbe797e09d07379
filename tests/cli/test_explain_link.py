"""`idp users explain-link`, and connections elsewhere at the command line: the reasons in words, and nothing secret."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from idp.accounts.linking import EXPLANATIONS, Arrival, Why, decline, link, sign_in_with, start_new
from idp.accounts.registration import Registration, make_account
from idp.cli.explain_link import MAX_EVENTS
from idp.jose.encryption import SecretBox
from idp.server import Server
from idp.settings import load_settings
from idp.store import Store
from idp.store.passkeys import Passkey
from idp.store.users import NewUser
from tests.accounts.arrivals import NOW, arrival, connection
from tests.cli.conftest import Idp

WHEN = "2027-01-15T08:00:00Z"  # NOW
DEMO = "demo@example.com"  # the person of `idp init`, whose address is confirmed


@pytest.fixture(autouse=True)
def connections(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Google links by itself, Acme after a yes, Discord never."""
    for name, trust in (("GOOGLE", "link"), ("ACME", "ask"), ("DISCORD", "refuse")):
        monkeypatch.setenv(f"IDP_UPSTREAM_{name}_CLIENT_ID", "ours")
        monkeypatch.setenv(f"IDP_UPSTREAM_{name}_CLIENT_SECRET", "hidden")
        monkeypatch.setenv(f"IDP_UPSTREAM_{name}_TRUST_EMAIL", trust)
    monkeypatch.setenv("IDP_UPSTREAM_ACME_ISSUER", "https://id.example.com")


@pytest.fixture
def house(store: Store) -> Server:
    """The server's rules on the stores of the command line."""
    settings, absent = load_settings(), cast(Any, None)
    box = SecretBox("tests-only-secret-key-of-some-length-0123456789")
    return Server(settings, store, keys=absent, secret_box=box, remote_keys=absent, clock=lambda: NOW)


def over(house: Server, name: str, **changes: Any) -> Arrival:
    """Somebody who comes over a connection as it is configured."""
    (settings,) = [each for each in house.settings.upstream if each.name == name]
    tokens = changes.pop("tokens", None)
    return replace(arrival(settings, **changes), tokens=tokens)


def demo_id(store: Store) -> str:
    found = store.users.find_by_email(DEMO)
    assert found is not None
    return found[0].id


def explained(idp: Idp, user: str = DEMO) -> dict[str, Any]:
    return cast(dict[str, Any], idp("users", "explain-link", user, "--json").json)


def would_happen(idp: Idp, user: str = DEMO) -> dict[tuple[str, bool], str]:
    """(connection, whether the provider owns the address) → what would become of it."""
    return {
        (each["connection"], each["provider_owns_email"]): each["outcome"]
        for each in explained(idp, user)["would_happen"]
    }


# --- The ways in


def test_a_person_without_links_has_a_password_and_no_history(idp: Idp, store: Store) -> None:
    told = explained(idp)
    assert (told["id"], told["email"], told["email_verified"]) == (demo_id(store), DEMO, True)
    assert (told["has_password"], told["links"], told["events"]) == (True, [], [])
    out = idp("users", "explain-link", "demo").out
    assert "  password" in out
    assert "Nothing was linked, unlinked or refused." in out


def test_a_link_is_told_with_its_time_and_how_it_came_about(idp: Idp, house: Server) -> None:
    guest = over(house, "google", email="demo@gmail.com", email_verified=True, owns_email=True)
    assert link(house, guest, demo_id(house.store), Why.ACCOUNT_PAGE, now=NOW)
    sign_in_with(house, guest, now=NOW + 60)
    told = explained(idp)
    assert told["links"] == [
        {
            "connection": "google",
            "is_configured": True,
            "issuer": guest.key.issuer,
            "subject": guest.key.subject,
            "email": "demo@gmail.com",
            "linked_at": WHEN,
            "last_used_at": "2027-01-15T08:01:00Z",
            "why": "account_page",
            "reason": EXPLANATIONS[Why.ACCOUNT_PAGE],
            "tokens_stored": False,
        }
    ]
    out = idp("users", "explain-link", "demo").out
    for words in (WHEN, "2027-01-15T08:01:00Z", EXPLANATIONS[Why.ACCOUNT_PAGE], "demo@gmail.com", "not stored"):
        assert words in out


def test_whether_tokens_are_stored_is_told_and_the_tokens_are_not(idp: Idp, house: Server) -> None:
    assert link(house, over(house, "google", tokens="hidden tokens"), demo_id(house.store), Why.ACCOUNT_PAGE, now=NOW)
    assert explained(idp)["links"][0]["tokens_stored"] is True
    for arguments in (("explain-link", DEMO), ("explain-link", DEMO, "--json"), ("show", DEMO, "--json")):
        assert "hidden" not in idp("users", *arguments).out
    assert "stored, encrypted" in idp("users", "explain-link", DEMO).out


def test_a_link_of_a_connection_that_is_gone_is_no_way_in(idp: Idp, house: Server, store: Store) -> None:
    outcome = sign_in_with(house, arrival(connection("retired"), email="gone@example.com"), now=NOW)
    assert outcome is not None
    told = explained(idp, "gone@example.com")
    assert [each["is_configured"] for each in told["links"]] == [False]
    out = idp("users", "explain-link", "gone@example.com").out
    assert "not configured any more" in out
    assert "nobody can sign in to this account" in out
    assert store.passkeys.add(Passkey(told["id"], "an-id-of-a-credential", "its key", 0, "Phone"), now=NOW)
    assert explained(idp, "gone@example.com")["passkeys"] == 1
    out = idp("users", "explain-link", "gone@example.com").out
    assert "  1 passkey\n" in out
    assert "nobody can sign in" not in out


# --- What happened


def test_every_event_is_told_in_order_with_its_reason(idp: Idp, house: Server) -> None:
    user_id = demo_id(house.store)
    sign_in_with(house, over(house, "discord", email=DEMO), now=NOW)
    sign_in_with(house, over(house, "acme", email=DEMO), now=NOW + 1)
    sign_in_with(house, over(house, "google", email=DEMO, owns_email=False), now=NOW + 2)
    decline(house, over(house, "discord"), user_id, now=NOW + 3)
    sign_in_with(house, over(house, "google", email=DEMO), now=NOW + 4)
    told = explained(idp)["events"]
    assert [(each["connection"], each["event"], each["why"]) for each in told] == [
        ("discord", "identity.link_refused", "trust_refuses"),
        ("acme", "identity.link_refused", "asked"),
        ("google", "identity.link_refused", "not_its_address"),
        ("discord", "identity.link_refused", "declined"),
        ("google", "identity.linked", "vouched"),
    ]
    assert all(each["reason"] == EXPLANATIONS[Why(each["why"])] for each in told)
    lines = idp("users", "explain-link", DEMO).out.splitlines()
    events = [line for line in lines if line.startswith("  2027-")]
    assert len(events) == 5
    for line, each in zip(events, told, strict=True):
        assert all(words in line for words in (each["at"], each["connection"], each["reason"]))


def test_who_lost_an_address_is_told_why(idp: Idp, house: Server) -> None:
    assert idp("users", "add", "squatter", "--email", "victim@example.com").code == 0
    sign_in_with(house, guest := over(house, "google", email="victim@example.com"), now=NOW)
    start_new(house, guest, now=NOW)
    told = explained(idp, "squatter")
    assert told["email"] is None
    assert told["events"][-1]["reason"] == EXPLANATIONS[Why.TOOK_ADDRESS]
    assert "No address is known" in idp("users", "explain-link", "squatter").out
    assert explained(idp, "victim@example.com")["username"] != "squatter"


def test_who_lost_an_address_to_a_sign_up_is_told_so(idp: Idp, house: Server) -> None:
    new = NewUser("u_squatter", "squatter", "typed@example.com")
    assert house.store.users.add(new, now=NOW)
    house.store.totp.save(new.id, "sealed", step=0, now=NOW)
    assert make_account(house, Registration("typed@example.com", username="owner"), now=NOW) is not None
    (event,) = explained(idp, "squatter")["events"]
    assert (event["event"], event["connection"], event["why"]) == ("email.lost", None, "")
    assert event["reason"] == "Somebody proved by a mail that the address is theirs; this account had not."
    assert f"-  e-mail address lost. {event['reason']}" in idp("users", "explain-link", "squatter").out


def test_a_reason_that_this_version_does_not_know_is_told_as_it_stands(idp: Idp, store: Store) -> None:
    detail = {"upstream": "google", "why": "a_later_reason"}
    store.audit_events.append("identity.linked", at=NOW, user_id=demo_id(store), detail=detail)
    store.audit_events.append("identity.unlinked", at=NOW, user_id=demo_id(store), detail={})
    told = explained(idp)["events"]
    assert (told[0]["reason"], told[1]["connection"]) == ("a_later_reason.", None)
    assert "a_later_reason." in idp("users", "explain-link", DEMO).out


def test_the_newest_events_are_told_when_there_are_very_many(idp: Idp, store: Store) -> None:
    for number in range(MAX_EVENTS + 1):
        detail = {"upstream": f"c{number}", "why": "declined"}
        store.audit_events.append("identity.link_refused", at=NOW + number, user_id=demo_id(store), detail=detail)
    told = explained(idp)
    assert told["has_older_events"] is True
    assert [each["connection"] for each in told["events"]] == [f"c{number}" for number in range(1, MAX_EVENTS + 1)]
    assert f"the newest {MAX_EVENTS} events" in idp("users", "explain-link", DEMO).out


def test_other_events_and_those_of_other_people_are_left_out(idp: Idp, store: Store) -> None:
    store.audit_events.append("sign_in.failed", at=NOW, user_id=demo_id(store), detail={"why": "wrong password"})
    store.audit_events.append("identity.linked", at=NOW, user_id="u_other", detail={"why": "sign_up"})
    store.audit_events.append("identity.link_refused", at=NOW, detail={"why": "sign_up_closed"})
    assert explained(idp)["events"] == []


# --- What would happen now


def test_it_tells_what_would_happen_over_each_connection(idp: Idp) -> None:
    assert would_happen(idp) == {
        ("acme", True): "ask",
        ("acme", False): "sign_in_first",
        ("discord", True): "sign_in_first",
        ("discord", False): "sign_in_first",
        ("google", True): "link",
        ("google", False): "sign_in_first",
    }
    lines = idp("users", "explain-link", DEMO).out.splitlines()
    assert sum(line.startswith("  discord") for line in lines) == 1, "one line where both cases come to the same"
    assert sum(line.startswith("  google") for line in lines) == 2
    assert any("linked at once" in line and "google, which hands out" in line for line in lines)


@pytest.mark.parametrize(
    ("sign_up", "expected"),
    [("open", "sign_in_first_or_start_new"), ("invitation", "sign_in_first"), ("closed", "sign_in_first")],
)
def test_an_unconfirmed_address_is_never_linked_over_any_connection(
    idp: Idp, monkeypatch: pytest.MonkeyPatch, sign_up: str, expected: str
) -> None:
    monkeypatch.setenv("IDP_SIGN_UP", sign_up)
    assert idp("users", "add", "ada", "--email", "ada@example.com").code == 0
    assert set(would_happen(idp, "ada").values()) == {expected}
    out = idp("users", "explain-link", "ada").out
    assert "never confirmed" in out
    assert EXPLANATIONS[Why.LOCAL_UNCONFIRMED] in out


def test_a_connection_may_close_sign_up_for_itself(idp: Idp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDP_UPSTREAM_GOOGLE_SIGN_UP", "closed")
    assert idp("users", "add", "ada", "--email", "ada@example.com").code == 0
    told = would_happen(idp, "ada")
    assert (told["google", True], told["acme", True]) == ("sign_in_first", "sign_in_first_or_start_new")


def test_nobody_gets_into_a_disabled_account(idp: Idp) -> None:
    assert idp("users", "disable", "demo").code == 0
    assert set(would_happen(idp).values()) == {"refuse"}
    assert "disabled" in idp("users", "explain-link", "demo").out.splitlines()[0]


@pytest.mark.parametrize("owns_email", [True, False])
@pytest.mark.parametrize("name", ["google", "acme", "discord"])
def test_what_is_foretold_is_what_happens(idp: Idp, house: Server, name: str, owns_email: bool) -> None:
    told = would_happen(idp)[name, owns_email]
    outcome = sign_in_with(house, over(house, name, email=DEMO, owns_email=owns_email), now=NOW)
    found = {"SignedIn": "link", "Conflict": "ask" if getattr(outcome, "may_ask", False) else "sign_in_first"}
    assert found[type(outcome).__name__] == told


# --- Who is meant


def test_a_person_is_meant_by_id_user_name_or_e_mail(idp: Idp, store: Store) -> None:
    assert explained(idp, "demo") == explained(idp, DEMO) == explained(idp, demo_id(store))


def test_an_address_that_nobody_has_is_a_sentence(idp: Idp) -> None:
    answer = idp("users", "explain-link", "nobody@example.com")
    assert answer.code == 1
    assert "There is nobody" in answer.err


def test_explaining_changes_nothing(idp: Idp, house: Server) -> None:
    link(house, over(house, "google"), demo_id(house.store), Why.ACCOUNT_PAGE, now=NOW)
    before = (house.store.audit_events.list(), house.store.identities.list_of(demo_id(house.store)))
    explained(idp)
    assert (house.store.audit_events.list(), house.store.identities.list_of(demo_id(house.store))) == before


def test_showing_a_person_names_their_connections(idp: Idp, house: Server) -> None:
    assert idp("users", "show", "demo", "--json").json["linked_connections"] == []
    for name in ("google", "google", "discord"):
        assert link(house, over(house, name), demo_id(house.store), Why.ACCOUNT_PAGE, now=NOW)
    assert sorted(idp("users", "show", "demo", "--json").json["linked_connections"]) == ["discord", "google"]
    assert "google" in idp("users", "show", "demo").out


# --- Clients that only take some connections


def test_a_client_is_limited_to_some_connections_in_either_spelling(idp: Idp, store: Store) -> None:
    arguments = ("--id", "app", "--redirect-uri", "https://a.example/cb", "--upstream", "google", "--upstream", "ACME")
    added = idp("clients", "add", "App", *arguments, "--json")
    assert added.json["upstreams"] == ["google", "acme"]
    assert added.err == ""
    client = store.clients.find("app")
    assert client is not None
    assert (client.allows_upstream("google"), client.allows_upstream("discord")) == (True, False)
    assert idp("clients", "show", "app", "--json").json["upstreams"] == ["google", "acme"]
    assert "google" in idp("clients", "show", "app").out


def test_an_update_replaces_the_list_leaves_it_or_empties_it(idp: Idp) -> None:
    idp("clients", "add", "App", "--id", "app", "--redirect-uri", "https://a.example/cb", "--upstream", "google")

    def after(*arguments: str) -> list[str]:
        return list(idp("clients", "update", "app", *arguments, "--json").json["upstreams"])

    assert after("--name", "New") == ["google"]
    assert after("--upstream", "discord", "--upstream", "discord") == ["discord"]
    assert after("--upstream", "") == []


def test_a_client_may_be_prepared_before_its_connection_with_a_warning(idp: Idp) -> None:
    arguments = ("--id", "app", "--redirect-uri", "https://a.example/cb")
    answer = idp("clients", "add", "App", *arguments, "--upstream", "gogle", "--json")
    assert (answer.code, answer.json["upstreams"]) == (0, ["gogle"])
    assert "There is no connection gogle yet" in answer.err
    assert "acme, discord, google" in answer.err
    assert idp("clients", "update", "app", "--name", "New").err == "", "only what was typed now is warned about"
    assert "nobody" in idp("clients", "update", "app", "--upstream", "nobody").err
