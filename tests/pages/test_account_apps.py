"""The page of applications: what each may do, when it did last, and that taking it away ends it at once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.pages.account_visits import events, has, opened, person, says, sent
from tests.pages.people_elsewhere import later
from tests.support.authorize import third_party, trusted_party
from tests.support.idp_server import TimedServer, timed_server
from tests.support.relying_party import Browser, Page, RelyingParty

PATH = "/account/apps"
MONTH = 31 * 86_400


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[TimedServer]:  # type: ignore[override]
    lifetimes = {"session_idle_lifetime": "9000000", "session_absolute_lifetime": "9000000"}
    lasting = {"refresh_token_lifetime": "9000000", "refresh_token_idle_lifetime": "9000000"}
    with timed_server(tmp_path_factory.mktemp("apps"), keys_from=signing_keys, **lifetimes, **lasting) as running:
        yield running


def allowed(server: TimedServer, browser: Browser, **changes: Any) -> tuple[RelyingParty, dict[str, Any]]:
    """An application that the person has let in for good, and its tokens."""
    party = third_party(server, **changes)
    return party, party.tokens(browser, scope="openid profile offline_access", prompt="consent")


def entries(page: Page) -> list[str]:
    return [" ".join(item.get_text(" ").split()) for item in page.soup.select("#apps > li")]


def test_nobody_has_access_at_first(server: TimedServer) -> None:
    _, browser = person(server)
    assert has(opened(browser, PATH), "no-apps")


def test_an_application_is_listed_with_what_it_may_do_in_words(server: TimedServer) -> None:
    _, browser = person(server)
    allowed(server, browser, client_name="<b>Holiday</b> Planner")
    page = opened(browser, PATH)
    (entry,) = entries(page)
    assert "<b>Holiday</b> Planner" in entry
    assert page.soup.select_one("#apps b") is None
    assert "See your profile" in entry
    assert "Also when you are away" in entry
    assert "openid" not in entry


def test_a_first_party_application_is_listed_too_although_nobody_was_asked(server: TimedServer) -> None:
    _, browser = person(server)
    trusted_party(server, client_name="House").tokens(browser, scope="openid email")
    (entry,) = entries(opened(browser, PATH))
    assert "House" in entry
    assert "See your e-mail address" in entry


@pytest.mark.parametrize("rotation", [True, False])
def test_the_last_use_is_the_last_refresh(server: TimedServer, rotation: bool) -> None:
    _, browser = person(server)
    kind = {"public": True} if rotation else {}
    party, tokens = allowed(server, browser, **kind)
    (before,) = entries(opened(browser, PATH))
    with later(server, MONTH):
        assert party.refresh(tokens["refresh_token"]).status_code == 200
        (after,) = entries(opened(browser, PATH))
    assert before.split("Last used on")[0] == after.split("Last used on")[0]
    assert before.split("Last used on")[1] != after.split("Last used on")[1]


@pytest.mark.asvs("10.4.9", "7.4.1")
def test_taking_it_away_kills_refresh_and_access_tokens_and_the_consent(server: TimedServer) -> None:
    user, browser = person(server)
    party, tokens = allowed(server, browser)
    other, others = allowed(server, browser)
    page = opened(browser, PATH)
    client_ids = [str(tag["value"]) for tag in page.soup.select("#apps input[name=client_id]")]
    page = sent(page, f"withdraw-{client_ids.index(party.client.client_id) + 1}")
    assert "taken away" in says(page, "notice")
    assert party.refresh(tokens["refresh_token"]).status_code == 400
    assert party.introspect(tokens["access_token"]).json() == {"active": False}
    assert party.userinfo(tokens["access_token"]).status_code == 401
    assert other.refresh(others["refresh_token"]).status_code == 200
    assert len(events(server, user, "consent.withdrawn")) == 1
    params, _ = party.request(scope="openid profile")
    assert browser.page(browser.get("/authorize", params=params)).id == "consent-page", "it asks again"


def test_a_code_that_was_not_redeemed_yet_dies_as_well(server: TimedServer) -> None:
    _, browser = person(server)
    party, _tokens = allowed(server, browser)
    callback = party.sign_in(browser, scope="openid profile")
    sent(opened(browser, PATH), "withdraw-1")
    assert party.redeem(callback).status_code == 400


def test_an_application_that_is_gone_can_still_be_taken_off(server: TimedServer) -> None:
    _, browser = person(server)
    party, _tokens = allowed(server, browser)
    assert server.store.clients.remove(party.client.client_id, now=server.now)
    sent(opened(browser, PATH), "withdraw-1") if entries(opened(browser, PATH)) else None
    assert has(opened(browser, PATH), "no-apps")


def test_only_consent_and_no_grant_left_says_not_used_lately(server: TimedServer) -> None:
    user, browser = person(server)
    party = third_party(server)
    server.store.consents.add(user.id, party.client.client_id, ("openid", "claim birthdate"), now=server.now)
    (entry,) = entries(opened(browser, PATH))
    assert "Not used lately" in entry
    assert "Your date of birth" in entry
