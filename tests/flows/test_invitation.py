"""Invitations: an operator names an address; whoever reads its mail makes an account, once and within a week."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from tests.support.forked import run_idp
from tests.support.idp_server import TimedServer, timed_server
from tests.support.newcomers import NEW_PASSWORD, Newcomer, is_signed_in, newcomer, path_of
from tests.support.relying_party import Browser, Page


@pytest.fixture(scope="module")
def club(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[TimedServer]:
    with timed_server(tmp_path_factory.mktemp("club"), keys_from=signing_keys, sign_up="invitation") as server:
        yield server


def run(server: TimedServer, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """The command `idp` beside this server."""
    return run_idp(server.environment, *arguments)


def invite(server: TimedServer, email: str, *options: str) -> str:
    """The link of the mail, as a path."""
    answer = run(server, "users", "invite", email, *options)
    assert answer.returncode == 0, answer.stderr
    mail = server.mails(email)[-1]
    assert mail.template == "invitation"
    return path_of(mail.link)


def accept(person: Newcomer, page: Page) -> Page:
    fields = {"username": person.username, "password": NEW_PASSWORD, "password_again": NEW_PASSWORD}
    return person.browser.page(page.submit("sign-up", **fields))


def test_an_invited_person_makes_an_account_and_is_signed_in(club: TimedServer) -> None:
    grace = newcomer(club)
    page = grace.browser.open(invite(club, grace.email, "--role", "editor", "--role", "member"))
    assert page.soup.find(id="email")["value"] == grace.email  # type: ignore[index]
    accept(grace, page)
    assert is_signed_in(grace.browser, grace.username)
    user = club.store.users.find(grace.user_id or "")
    assert user is not None
    assert (user.email, user.claims["email_verified"], user.roles) == (grace.email, True, ("editor", "member"))


def test_the_audit_trail_does_not_tell_whose_account_came_of_it(club: TimedServer) -> None:
    """Or it would say who it was, when the account is deleted."""
    grace = newcomer(club)
    invite(club, grace.email, "--role", "editor")
    (event, *_) = club.store.audit_events.list(events=("user.invited",))
    assert json.loads(event["detail"])["roles"] == ["editor"]
    assert grace.email not in event["detail"]


def test_the_invited_address_cannot_be_changed_in_the_form(club: TimedServer) -> None:
    grace = newcomer(club)
    page = grace.browser.open(invite(club, grace.email))
    fields = {"username": grace.username, "password": NEW_PASSWORD, "password_again": NEW_PASSWORD}
    page.submit("sign-up", **fields, email="mallory@mail.example")
    assert club.store.users.find_by_email("mallory@mail.example") is None
    assert grace.user_id is not None


@pytest.mark.asvs("6.4.1")
def test_an_invitation_works_once_and_looking_at_it_uses_nothing_up(club: TimedServer) -> None:
    grace, other = newcomer(club), newcomer(club)
    link = invite(club, grace.email)
    pages = [each.browser.open(link) for each in (other, grace, other)]
    accept(grace, pages[1])
    late = accept(other, pages[2])
    assert late.id == "message-page"
    assert other.browser.open(link).status == 403


@pytest.mark.asvs("6.4.1")
def test_an_invitation_ends_after_a_week(tmp_path: Path, signing_keys: Path) -> None:
    with timed_server(tmp_path, keys_from=signing_keys, sign_up="invitation") as server:
        grace = newcomer(server)
        link = invite(server, grace.email)
        server.forward(7 * 86_400 - 60)
        assert grace.browser.open(link).status == 200
        server.forward(61)
        assert grace.browser.open(link).status == 403


def test_without_an_invitation_the_form_is_closed(club: TimedServer) -> None:
    assert Browser(club).open("/sign-up").status == 403
    assert Browser(club).open("/sign-up?invitation=guessed").status == 403
    assert Browser(club).open("/login").soup.find(id="to-sign-up") is None


def test_a_mistake_keeps_the_invitation(club: TimedServer) -> None:
    grace = newcomer(club)
    page = grace.browser.open(invite(club, grace.email))
    wrong = grace.browser.page(page.submit("sign-up", username="x", password="y", password_again="z"))
    assert (wrong.status, wrong.id) == (400, "sign-up-page")
    accept(grace, wrong)
    assert grace.user_id is not None


@pytest.mark.asvs("6.4.1")
def test_only_the_newest_invitation_of_an_address_is_good(club: TimedServer) -> None:
    grace = newcomer(club)
    first, second = invite(club, grace.email, "--role", "admin"), invite(club, grace.email)
    assert grace.browser.open(first).status == 403
    accept(grace, grace.browser.open(second))
    user = club.store.users.find(grace.user_id or "")
    assert user is not None
    assert user.roles == ()


def test_an_invitation_of_which_no_account_came_stays_good(club: TimedServer) -> None:
    grace, other = newcomer(club), club.add_user()
    link = invite(club, grace.email)
    taken = club.add_user(email=grace.email)
    assert accept(grace, grace.browser.open(link)).status == 409
    club.store.removal.remove(taken.id)
    page = grace.browser.open(link)
    told = grace.browser.page(page.submit("sign-up", username=other.username, password=NEW_PASSWORD,
                                          password_again=NEW_PASSWORD))  # fmt: skip
    assert "This user name is taken" in told.text
    accept(grace, told)
    assert grace.user_id is not None
    late = newcomer(club)
    assert late.browser.open(link).status == 403


def test_who_is_invited_gets_an_address_that_somebody_else_typed_and_cannot_confirm(club: TimedServer) -> None:
    grace = newcomer(club)
    link = invite(club, grace.email)
    squatter = club.add_user(email=grace.email, email_verified=False)
    club.store.totp.save(squatter.id, "sealed", step=0, now=club.now)
    accept(grace, grace.browser.open(link))
    assert grace.user_id not in {None, squatter.id}


def test_who_has_an_account_already_is_not_invited_and_cannot_use_an_older_invitation(club: TimedServer) -> None:
    grace = newcomer(club)
    link = invite(club, grace.email)
    club.add_user(email=grace.email)
    assert accept(grace, grace.browser.open(link)).status == 409
    refused = run(club, "users", "invite", grace.email)
    assert refused.returncode == 1
    assert "already" in refused.stderr


@pytest.mark.asvs("6.4.6")
def test_an_operator_starts_a_reset_and_the_person_chooses(club: TimedServer) -> None:
    user, browser = club.add_user(), Browser(club)
    answer = run(club, "users", "start-reset", user.username, "--json")
    assert answer.returncode == 0, answer.stderr
    mail = club.mails(user.email or "")[-1]
    assert mail.template == "password_reset"
    assert mail.link not in answer.stdout + answer.stderr, "the operator does not learn the link"
    page = browser.open(path_of(mail.link))
    login = browser.page(page.submit("reset", password=NEW_PASSWORD, password_again=NEW_PASSWORD))
    assert login.submit("login", username=user.username, password=NEW_PASSWORD).status_code == 303


def test_with_redis_the_link_is_left_where_the_server_looks(tmp_path: Path, signing_keys: Path, redis_url: str) -> None:
    with timed_server(tmp_path, keys_from=signing_keys, redis_url=redis_url) as server:
        grace, user = newcomer(server), server.add_user()
        assert grace.browser.open(invite(server, grace.email)).soup.find(id="email")["value"] == grace.email  # type: ignore[index]
        assert run(server, "users", "start-reset", user.username).returncode == 0
        assert Browser(server).open(path_of(server.mails(user.email or "")[-1].link)).id == "reset-page"


def test_an_invitation_outlives_a_redis_that_starts_anew(tmp_path: Path, signing_keys: Path, redis_url: str) -> None:
    """It is good for a week, and Redis keeps nothing on disk."""
    with timed_server(tmp_path, keys_from=signing_keys, redis_url=redis_url) as server:
        grace = newcomer(server)
        link = invite(server, grace.email)
        Redis.from_url(redis_url).flushdb()
        accept(grace, grace.browser.open(link))
        assert grace.user_id is not None


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("invite", "not an address"), "not an e-mail address"),
        (("invite", "a,b@c.example"), "No mail can be sent"),
        (("invite", "a@c.example", "--role", "two words"), "A role is"),
        (("start-reset", "nobody-there"), "There is nobody"),
    ],
)
def test_what_cannot_be_done_is_said(club: TimedServer, arguments: tuple[str, ...], says: str) -> None:
    answer = run(club, "users", *arguments)
    assert answer.returncode == 1
    assert says in answer.stderr


def test_a_reset_is_not_started_for_whom_the_mailbox_would_not_be_enough(club: TimedServer) -> None:
    bare, doubtful = club.add_user(email=None), club.add_user(email_verified=False)
    club.store.totp.save(doubtful.id, "sealed", step=0, now=club.now)
    assert "set-password" in run(club, "users", "start-reset", bare.username).stderr
    assert "second factor" in run(club, "users", "start-reset", doubtful.username).stderr


@pytest.mark.parametrize("settings", [{"sign_up": "closed"}, {"local_passwords": "false"}], ids=str)
def test_where_nobody_may_make_an_account_nobody_is_invited(
    tmp_path: Path, signing_keys: Path, settings: dict[str, str]
) -> None:
    with timed_server(tmp_path, keys_from=signing_keys, **settings) as server:
        answer = run(server, "users", "invite", "grace@mail.example")
        assert answer.returncode == 1
        assert "IDP_SIGN_UP" in answer.stderr
