"""The profile page: what people write about themselves, what is refused, and what a provider may no longer change."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pages.account_visits import FRESH_SECONDS, can_sign_in, events, has, mail, opened, person, says, sent
from tests.pages.people_elsewhere import later
from tests.support.accounts import PASSWORD
from tests.support.authorize import trusted_party
from tests.support.idp_server import TimedServer, timed_server
from tests.support.relying_party import Browser

PATH = "/account/profile"
ODD = ["\ud800".encode("utf-8", "surrogatepass").decode("latin-1"), "a\x00b", "line\nbreak", "x" * 5000, "\u202eevil"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[TimedServer]:  # type: ignore[override]
    with timed_server(tmp_path_factory.mktemp("profile"), keys_from=signing_keys) as running:
        yield running


def test_whoever_is_not_signed_in_signs_in_first_and_comes_back_to_this_page(server: TimedServer) -> None:
    user = server.add_user()
    page = Browser(server).open(PATH)
    assert page.id == "login-page"
    assert sent(page, "login", username=user.username, password=PASSWORD).id == "account-profile-page"


def test_what_is_written_is_what_applications_get(server: TimedServer) -> None:
    user, browser = person(server)
    written = {
        "given_name": "Zoë",
        "family_name": "D’Arc",
        "picture": "https://pictures.example.com/zoe.png?size=200",
        "phone_number": "+41 21 123 45 67",
        "website": "",
        "birthdate": "0000-02-29",
    }
    page = sent(opened(browser, PATH), "save", **written)
    assert "saved" in says(page, "notice")
    party = trusted_party(server)
    tokens = party.tokens(browser, scope="openid profile phone")
    claims = party.userinfo(tokens["access_token"]).json()
    assert (claims["name"], claims["given_name"], claims["family_name"]) == ("Zoë D’Arc", "Zoë", "D’Arc")
    assert (claims["picture"], claims["birthdate"]) == (written["picture"], "0000-02-29")
    assert (claims["phone_number"], claims["phone_number_verified"]) == ("+41 21 123 45 67", False)
    assert "website" not in claims
    assert claims["middle_name"] == "Marie", "what the page does not show stays"
    assert events(server, user, "profile.changed")[0]["fields"] == sorted(written)


def test_a_phone_number_that_stays_stays_verified(server: TimedServer) -> None:
    user, browser = person(server)
    sent(opened(browser, PATH), "save", given_name="Else")
    found = server.store.users.find(user.id)
    assert found is not None
    assert found.claims["phone_number_verified"] is True


@pytest.mark.asvs("6.3.7")
def test_a_new_user_name_signs_in_and_is_told_by_mail(server: TimedServer) -> None:
    user, browser = person(server)
    new = f"new.{user.username}"
    sent(opened(browser, PATH), "save", username=new)
    assert (can_sign_in(server, new), can_sign_in(server, user.username)) == (True, False)
    assert "user name was changed" in mail(server, user.email, "factor_changed").text
    assert len(events(server, user, "username.changed")) == 1


def test_a_user_name_of_somebody_else_is_refused_whatever_its_case(server: TimedServer) -> None:
    other = server.add_user()
    user, browser = person(server)
    page = sent(opened(browser, PATH), "save", username=other.username.upper(), given_name="Lost")
    assert (page.status, "taken" in says(page)) == (400, True)
    found = server.store.users.find(user.id)
    assert found is not None
    assert (found.username, found.claims["given_name"]) == (user.username, "Ada")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("picture", "http://pictures.example.com/zoe.png"),
        ("picture", "javascript:alert(1)"),
        ("picture", "data:image/png;base64,AAAA"),
        ("picture", "https://ada:secret@example.com/"),
        ("picture", "https://"),
        ("picture", "https://exa mple.com/"),
        ("picture", "https://example.com:port/"),
        ("picture", "//example.com/x.png"),
        ("picture", 'https://example.com/"><script>'),
        ("website", "javascript:alert(1)"),
        ("birthdate", "2026-02-30"),
        ("birthdate", "yesterday"),
        ("username", ""),
        ("username", "a b"),
        ("username", "ada@example.com"),
        ("username", "аdmin"),
        ("phone_number", "call me"),
        ("locale", "tlh"),
        *[(field, value) for field in ("given_name", "picture", "username", "phone_number") for value in ODD],
    ],
)
def test_what_does_not_fit_is_said_beside_its_field_and_nothing_is_saved(
    server: TimedServer, field: str, value: str
) -> None:
    user, browser = person(server)
    before = server.store.users.find(user.id)
    page = sent(opened(browser, PATH), "save", **{field: value, "family_name": "Lost"})
    assert page.status == 400
    assert has(page, f"{field}-error")
    assert server.store.users.find(user.id) == before


def test_the_language_chosen_is_that_of_the_pages_of_mails_and_of_the_next_browser(server: TimedServer) -> None:
    user, browser = person(server)
    form = opened(browser, PATH)
    page = sent(form, "save", locale="fr", username=f"fr{user.username}")
    assert page.soup.html is not None
    assert page.soup.html["lang"] == "fr"
    assert '<html lang="fr">' in mail(server, user.email, "factor_changed").html
    elsewhere = Browser(server, **{"Accept-Language": "en"})
    sent(elsewhere.open("/login"), "login", username=f"fr{user.username}", password=PASSWORD)
    again = opened(elsewhere, "/account")
    assert again.soup.html is not None
    assert again.soup.html["lang"] == "fr"


def test_what_the_person_has_edited_survives_the_next_visit_of_a_provider(server: TimedServer) -> None:
    taken = {"given_name": "Ada", "family_name": "Lovelace", "picture": "https://provider.example/old.png"}
    user, browser = person(server, profile=taken | {"name": "Ada Lovelace"})
    sent(opened(browser, PATH), "save", given_name="Augusta", picture="")
    fresh = {"given_name": "Adele", "family_name": "King", "picture": "https://provider.example/new.png"}
    server.store.users.refresh_profile(user.id, taken, fresh, now=server.now)
    found = server.store.users.find(user.id)
    assert found is not None
    assert (found.claims["given_name"], found.claims["family_name"]) == ("Augusta", "King")
    assert "picture" not in found.claims


@pytest.mark.asvs("7.5.1")
def test_user_name_and_phone_number_need_a_fresh_sign_in_and_the_rest_does_not(server: TimedServer) -> None:
    user, browser = person(server)
    form = opened(browser, PATH)
    with later(server, FRESH_SECONDS + 2):
        for field, value in (("username", "somebody.else"), ("phone_number", "+41 21 000 00 00")):
            assert "saved" not in says(sent(form, "save", **{field: value}), "notice")
        page = opened(browser, PATH)
        assert has(page, "sign-in-again")
        assert "saved" in says(sent(page, "save", given_name="Later"), "notice")
    found = server.store.users.find(user.id)
    assert found is not None
    assert (found.username, found.claims["phone_number"]) == (user.username, user.phone_number)
    assert found.claims["given_name"] == "Later"
