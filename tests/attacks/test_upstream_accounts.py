"""Nobody gets into another person's account by an e-mail, whichever provider says it and however it is written."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from idp.protocol.identity import User
from idp.store.identities import LinkedIdentity
from idp.store.users import NewUser
from tests.support.authorize import Asked, ask
from tests.support.idp_server import ServerUnderTest, TimedServer, timed_server
from tests.support.newcomers import newcomer, path_of
from tests.support.relying_party import Browser, Page, claims_of
from tests.support.upstream import (
    CONNECTIONS,
    Person,
    first_party,
    like,
    new_email,
    open_sandbox,
    press,
    somebody,
)

TRUSTS = ("refuse", "ask", "link")
TENANT, OTHER_TENANT = "11111111-2222-4333-8444-555555555555", "99999999-2222-4333-8444-555555555555"
NEVER_CONFIRMS = {"facebook"}
OWNERS = ("google", "apple", "acme", "entra")  # who may link by an address that they hand out
EVERY = [(name, trust) for name in CONNECTIONS for trust in TRUSTS]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[TimedServer]:
    """Every provider under every trust: `google`, `google-ask`, `google-link`, …"""
    with open_sandbox(tmp_path_factory.mktemp("sandbox")) as (_, environment):
        changes = dict(environment)
        for name in CONNECTIONS:
            for trust in ("ask", "link"):
                changes |= like(environment, name, f"{name}-{trust}", trust_email=trust)
        for trust in TRUSTS:
            changes |= like(environment, "microsoft", variant("entra", trust), trust_email=trust, tenant=TENANT)
        folder = tmp_path_factory.mktemp("accounts")
        with timed_server(folder, keys_from=signing_keys, **changes) as server:
            yield server


def variant(name: str, trust: str) -> str:
    return name if trust == "refuse" else f"{name}-{trust}"


def address(name: str) -> str:
    """An address that this provider hands out, where it hands out some."""
    domain = {"google": "gmail.com", "apple": "icloud.com"}.get(name, "example.org")
    return new_email().replace("example.org", domain)


def someone(connection: str, **changes: str) -> Person:
    return somebody("microsoft" if connection == "entra" else connection, **changes)


@dataclass(frozen=True)
class Arrival:
    """Where somebody's sign-in over a provider has led."""

    asked: Asked

    @property
    def page(self) -> Page:
        return self.asked.page

    @property
    def browser(self) -> Browser:
        return self.asked.browser

    def choose(self, choice: str) -> Asked:
        """Post an answer of the 409 page, whether it has the button or not."""
        form = {name: value for name, value in self.fields.items() if name != "choice"} | {"choice": choice}
        return self.asked.then(self.browser.post("/conflict", data=form))

    @property
    def fields(self) -> dict[str, str]:
        token = self.page.soup.select_one("[name=csrf_token]")
        pending = re.search(r"[?&]pending=([\w-]+)", self.asked.response.url)
        interaction = re.search(r"[?&]interaction=([\w-]+)", self.asked.response.url)
        assert token is not None
        assert pending is not None
        assert interaction is not None
        return {"csrf_token": str(token["value"]), "pending": pending[1], "interaction": interaction[1]}

    def subject(self) -> str:
        tokens = self.asked.client.redeem(self.asked.callback).json()
        return str(claims_of(tokens["id_token"])["sub"])


def arrive(
    stage: ServerUnderTest, connection: str, person: Person, browser: Browser | None = None, **more: Any
) -> Arrival:
    """Sign in as this person; `claims` and `profile` are what the provider says besides."""
    party = first_party(stage, upstreams=(connection,))
    asked = ask(party, browser or Browser(stage))
    away = press(asked.page, connection)
    extra = {name: json.dumps(value) for name, value in more.items()}
    back = away.leave({"person": "new", **person.fields, **extra})
    return Arrival(asked.then(back.go(asked.browser)))


def check_conflict(arrived: Arrival) -> None:
    assert (arrived.page.status, arrived.page.id) == (409, "conflict-page"), arrived.page.text[:300]
    assert "idp_session" not in arrived.browser.http.cookies


def links_of(stage: ServerUnderTest, user: NewUser | User | str) -> list[LinkedIdentity]:
    return stage.store.identities.list_of(user if isinstance(user, str) else user.id)


def check_untouched(stage: ServerUnderTest, user: NewUser) -> None:
    """Nothing was linked, and nothing of the account has changed."""
    assert links_of(stage, user) == []
    now = stage.store.users.find(user.id)
    assert now is not None
    assert (now.email, now.claims.get("name")) == (user.email, (user.profile or {}).get("name"))


# --- Pre-hijacking: the attacker was here first, with the victim's address


@pytest.mark.asvs("6.8.1")
def test_a_sign_up_that_was_never_proved_is_nothing_that_the_owner_could_be_merged_with(stage: TimedServer) -> None:
    mallory = newcomer(stage, email=address("google"))
    mallory.begin()
    arrived = arrive(stage, "google", someone("google", email=mallory.email))
    subject = arrived.subject()
    assert [link.key.upstream for link in links_of(stage, subject)] == ["google"]
    assert not stage.store.users.has_password(subject)
    late = mallory.browser.open(path_of(stage.mails(mallory.email)[0].link)).submit("confirm")
    assert late.status_code == 409
    assert not stage.store.users.has_password(subject)
    login = Browser(stage).open("/login").submit("login", username=mallory.email, password=mallory.password)
    assert login.status_code == 200


@pytest.mark.asvs("6.8.1")
@pytest.mark.parametrize(("name", "trust"), EVERY)
def test_an_unconfirmed_account_is_never_linked_to_who_owns_the_address(
    stage: TimedServer, name: str, trust: str
) -> None:
    """The classic federated merge: the attacker signed up with the victim's address and waits for the victim."""
    email = address(name)
    trap = stage.add_user(email=email, email_verified=False)
    arrived = arrive(stage, variant(name, trust), someone(name, email=email))
    check_conflict(arrived)
    assert arrived.page.soup.find(id="link-account") is None
    check_conflict(Arrival(arrived.choose("link")))
    check_untouched(stage, trap)
    found = arrived.choose("new")
    if name in NEVER_CONFIRMS:
        check_conflict(Arrival(found))
        check_untouched(stage, trap)
        return
    victim = Arrival(found).subject()
    assert victim != trap.id
    assert links_of(stage, trap) == []
    left, mine = stage.store.users.find(trap.id), stage.store.users.find(victim)
    assert left is not None
    assert mine is not None
    assert (left.email, mine.email) == (None, email)
    signed_in = ask(first_party(stage), Browser(stage)).log_in(trap.username)
    assert Arrival(signed_in).subject() == trap.id, "the trap's password opens the trap alone"
    assert ask(first_party(stage), Browser(stage)).log_in(email).page.id == "login-page"


@pytest.mark.asvs("6.8.1")
@pytest.mark.parametrize("trust", TRUSTS)
def test_a_session_that_the_attacker_kept_open_never_shows_the_victims_account(stage: TimedServer, trust: str) -> None:
    """The unexpired session."""
    email = address("google")
    trap = stage.add_user(email=email, email_verified=False)
    kept = Browser(stage)
    ask(first_party(stage), kept).log_in(trap.username)
    victim = arrive(stage, variant("google", trust), someone("google", email=email, name="Victim Visible"))
    done = Arrival(victim.choose("new"))
    assert done.subject() != trap.id
    page = kept.open("/account")
    assert trap.username in page.text
    assert "Victim Visible" not in page.text
    assert email not in page.text


@pytest.mark.asvs("6.8.1")
@pytest.mark.parametrize("trust", TRUSTS)
@pytest.mark.parametrize("bait", ["discord", "facebook", "github", "acme", "microsoft"])
def test_a_provider_account_of_the_attacker_is_no_back_door_into_the_victims(
    stage: TimedServer, bait: str, trust: str
) -> None:
    """The trojan identifier: the attacker arrives first, over a provider that has not confirmed the address."""
    email = address("google")
    said = "true" if bait in NEVER_CONFIRMS else "false"  # Facebook tells the address, and never that it is confirmed
    attacker = someone(bait, email=email, email_verified=said)
    trap = arrive(stage, bait, attacker).subject()
    victim = Arrival(arrive(stage, variant("google", trust), someone("google", email=email)).choose("new")).subject()
    assert victim != trap
    assert [each.key.upstream for each in links_of(stage, victim)] == [variant("google", trust)]
    assert arrive(stage, bait, attacker).subject() == trap


@pytest.mark.asvs("6.8.1")
@pytest.mark.parametrize("bait", ["github", "discord", "acme", "google-link"])
def test_an_address_that_changes_over_there_changes_nothing_here(stage: TimedServer, bait: str) -> None:
    """The unexpired e-mail change: the attacker's account takes the victim's address at the provider, later."""
    kind = bait.partition("-")[0]
    attacker, email = someone(kind), address("google")
    mine = arrive(stage, bait, attacker).subject()
    moved = Person(attacker.sub, email)
    assert arrive(stage, bait, moved).subject() == mine
    here = stage.store.users.find(mine)
    assert here is not None
    assert here.email == attacker.email
    victim = arrive(stage, "google-link", someone("google", email=email)).subject()
    assert victim != mine


# --- Attackers at a provider that does not own the address


@pytest.mark.asvs("6.8.1")
@pytest.mark.parametrize("trust", TRUSTS)
@pytest.mark.parametrize(
    ("name", "changes", "claims"),
    [
        pytest.param("discord", {}, {}, id="Discord, confirmed"),
        pytest.param("github", {}, {}, id="GitHub, confirmed"),
        pytest.param("facebook", {}, {}, id="Facebook"),
        pytest.param("google", {}, {}, id="Google, an address elsewhere"),
        pytest.param("google", {}, {"hd": "attacker.example"}, id="Google, another Workspace"),
        pytest.param("google", {"email_verified": "false"}, {"hd": "example.org"}, id="Google, not confirmed"),
        pytest.param("apple", {}, {}, id="Apple, an address elsewhere"),
        pytest.param("microsoft", {"email_verified": "false"}, {}, id="Microsoft, any tenant (nOAuth)"),
        pytest.param("microsoft", {}, {"tid": OTHER_TENANT, "xms_edov": True}, id="Microsoft, a proven domain"),
        pytest.param("microsoft", {}, {"tid": OTHER_TENANT, "email_verified": True}, id="Microsoft, a made-up claim"),
        pytest.param("microsoft", {}, {}, id="Microsoft, a personal account"),
        pytest.param("entra", {"email_verified": "false"}, {}, id="Microsoft, one tenant, not proven"),
        pytest.param("acme", {"email_verified": "false"}, {}, id="OpenID Connect, not confirmed"),
    ],
)
def test_a_provider_that_does_not_own_an_address_opens_no_account_with_it(
    stage: TimedServer, name: str, changes: dict[str, str], claims: dict[str, Any], trust: str
) -> None:
    victim = stage.add_user(email=new_email())
    person = someone(name, email=str(victim.email), **changes)
    arrived = arrive(stage, variant(name, trust), person, claims=claims)
    check_conflict(arrived)
    assert arrived.page.soup.find(id="link-account") is None
    assert arrived.page.soup.find(id="start-new") is None
    for choice in ("link", "new", "", "skip", "LINK", "link\x00"):
        check_conflict(Arrival(arrived.choose(choice)))
    check_untouched(stage, victim)
    check_conflict(arrive(stage, variant(name, trust), person, claims=claims))


@pytest.mark.parametrize("name", OWNERS)
def test_where_the_provider_owns_the_address_the_operator_may_trust_it(stage: TimedServer, name: str) -> None:
    """Otherwise the refusals above would show nothing."""
    victim = stage.add_user(email=address(name))
    for trust in ("refuse", "ask", "link"):
        arrived = arrive(stage, variant(name, trust), someone(name, email=str(victim.email)))
        if trust == "link":
            assert arrived.subject() == victim.id
            continue
        check_conflict(arrived)
        answer = Arrival(arrived.choose("link"))
        if trust == "ask":
            assert answer.subject() == victim.id
        else:
            check_conflict(answer)
    assert {each.linked_how for each in links_of(stage, victim)} == {"confirmed", "vouched"}


@pytest.mark.parametrize("trust", TRUSTS)
def test_a_disabled_account_is_not_revived_by_a_provider(stage: TimedServer, trust: str) -> None:
    user = stage.add_user(email=address("google"))
    stage.store.users.set_disabled(user.id, True, now=stage.now)
    arrived = arrive(stage, variant("google", trust), someone("google", email=str(user.email)))
    check_conflict(arrived)
    for choice in ("link", "new"):
        check_conflict(Arrival(arrived.choose(choice)))
    assert links_of(stage, user) == []


# --- Look-alikes and nonsense


@pytest.mark.parametrize(
    ("known", "given"),
    [
        pytest.param("weiss", "weiß", id="sharp s"),
        pytest.param("kate", "\u212aate", id="Kelvin sign"),
        pytest.param("susan", "\u017fusan", id="long s"),
        pytest.param("ada", "\uff41\uff44\uff41", id="full width"),
        pytest.param("fin", "\ufb01n", id="ligature"),
        pytest.param("five", "f\u2170ve", id="Roman numeral"),
        pytest.param("zoé", "zoe\u0301", id="composed and decomposed"),
        pytest.param("a" * 300, "a" * 300 + "b", id="alike as far as the key reaches"),
    ],
)
@pytest.mark.parametrize("confirmed", [True, False])
def test_a_look_alike_of_an_address_is_another_address(
    stage: TimedServer, known: str, given: str, confirmed: bool
) -> None:
    """Look-up holds them for one, so that nobody poses as another; but who has one has not shown to have the other."""
    tag, domain = new_email()[:7], "@example.org"
    user = stage.add_user(email=tag + known + domain, email_verified=confirmed)
    attacker = someone("acme")
    profile = {"email": tag + given + domain, "email_verified": True}
    arrived = arrive(stage, "acme-link", attacker, profile=profile)
    check_conflict(arrived)
    assert arrived.page.soup.find(id="start-new") is None
    for choice in ("link", "new"):
        check_conflict(Arrival(arrived.choose(choice)))
    check_untouched(stage, user)


def test_the_case_of_ascii_letters_makes_no_other_address(stage: TimedServer) -> None:
    user = stage.add_user(email=new_email())
    arrived = arrive(stage, "acme-link", someone("acme", email=str(user.email).upper()))
    assert arrived.subject() == user.id


@pytest.mark.parametrize(
    "email",
    [
        "victim\x00@example.org",
        "victim@example.org\x00.attacker.example",
        "victim@example.org\r\nBcc: all@example.org",
        "a@b@example.org",
        "victim@example.org@attacker.example",
        "victim@example.org, attacker@example.org",
        "victim @example.org",
        "victim\u202e@example.org",
        "victim\ud800@example.org",
        "v" * 1000 + "@example.org",
        "victim",
        "@example.org",
        "victim@",
        "victim@localhost",
        "",
        " ",
        ["victim@example.org"],
        {"email": "victim@example.org"},
        True,
        7,
        None,
    ],
)
def test_what_is_no_address_is_not_taken_for_one(stage: TimedServer, email: Any) -> None:
    arrived = arrive(stage, "acme-link", someone("acme"), profile={"email": email, "email_verified": True})
    user = stage.store.users.find(arrived.subject())
    assert user is not None
    assert user.email is None


@pytest.mark.parametrize("said", ["yes", "TRUE ", 2, 0, "0", "false", None, [], [True], {"value": True}, "on"])
def test_only_a_plain_yes_confirms_an_address(stage: TimedServer, said: Any) -> None:
    victim = stage.add_user(email=new_email())
    profile = {"email": victim.email, "email_verified": said}
    check_conflict(arrive(stage, "acme-link", someone("acme"), profile=profile))
    check_untouched(stage, victim)


# --- What the 409 page gives away


def neutral(arrived: Arrival) -> str:
    """The page without what is random or was given."""
    fields = arrived.fields
    text = re.sub(r'name="csrf_token" value="[^"]+"', "", arrived.page.response.text)
    for value in (fields["pending"], fields["interaction"]):
        text = text.replace(value, "…")
    return re.sub(r"p[0-9a-f]{12}@example\.org|client-[0-9a-f]+", "…", text)


@pytest.mark.asvs("6.3.8")
@pytest.mark.parametrize(
    ("name", "verified"), [("facebook", "true"), ("discord", "false"), ("acme", "false"), ("github", "false")]
)
def test_the_ways_in_are_named_to_nobody_whose_address_is_not_confirmed(
    stage: TimedServer, name: str, verified: str
) -> None:
    """The page is the same whether the account has a password, a provider, or is disabled."""
    with_password = stage.add_user(email=new_email())
    disabled = stage.add_user(email=new_email())
    stage.store.users.set_disabled(disabled.id, True, now=stage.now)
    by_provider = someone("discord")
    assert arrive(stage, "discord", by_provider).subject()
    pages = set()
    for email in (str(with_password.email), str(disabled.email), by_provider.email):
        arrived = arrive(stage, name, someone(name, email=email, email_verified=verified))
        check_conflict(arrived)
        assert arrived.page.soup.find(id="way-discord") is None
        pages.add(neutral(arrived))
    assert len(pages) == 1


def test_the_ways_in_are_named_where_the_address_is_confirmed(stage: TimedServer) -> None:
    known = someone("discord")
    arrive(stage, "discord", known)
    arrived = arrive(stage, "github", someone("github", email=known.email))
    assert arrived.page.soup.find(id="way-discord") is not None
    assert arrived.page.soup.find(id="way-password") is None


@pytest.mark.asvs("6.3.8")
def test_a_look_alike_learns_no_ways_in(stage: TimedServer) -> None:
    known = someone("discord", email=f"weiss{new_email()}")
    arrive(stage, "discord", known)
    profile = {"email": known.email.replace("weiss", "weiß"), "email_verified": True}
    arrived = arrive(stage, "acme", someone("acme"), profile=profile)
    check_conflict(arrived)
    assert arrived.page.soup.find(id="way-discord") is None


# --- Who may answer the 409 page, and when


def waiting_yes(stage: TimedServer) -> tuple[NewUser, Arrival]:
    """Somebody who may link with a yes, asked."""
    user = stage.add_user(email=address("google"))
    arrived = arrive(stage, "google-ask", someone("google", email=str(user.email)))
    assert arrived.page.soup.find(id="link-account") is not None
    return user, arrived


@pytest.mark.asvs("3.5.1")
def test_the_question_is_answered_by_the_browser_that_was_asked(stage: TimedServer) -> None:
    user, arrived = waiting_yes(stage)
    stranger = ask(first_party(stage), Browser(stage))
    token = stranger.page.fields("login")[1]
    for form in (
        arrived.fields | {"csrf_token": token["csrf_token"]},
        {"csrf_token": token["csrf_token"], "pending": arrived.fields["pending"]},
        {
            "csrf_token": token["csrf_token"],
            "pending": arrived.fields["pending"],
            "interaction": token["interaction"],
        },
    ):
        answer = stranger.browser.post("/conflict", data=form | {"choice": "link"})
        assert answer.status_code == 400
        assert "idp_session" not in answer.cookies
    assert stranger.browser.get(f"/conflict?pending={arrived.fields['pending']}").status_code == 400
    assert links_of(stage, user) == []
    assert Arrival(arrived.choose("link")).subject() == user.id


@pytest.mark.asvs("3.5.1")
def test_the_question_is_answered_by_our_own_form(stage: TimedServer) -> None:
    user, arrived = waiting_yes(stage)
    form = arrived.fields | {"choice": "link"}
    without = {name: value for name, value in form.items() if name != "csrf_token"}
    refused = [
        arrived.browser.post("/conflict", data=without),
        arrived.browser.post("/conflict", data=form | {"csrf_token": "wrong"}),
        arrived.browser.post("/conflict", data=form, headers={"Sec-Fetch-Site": "cross-site"}),
    ]
    assert [answer.status_code for answer in refused] == [400] * 3
    assert arrived.browser.get("/conflict", params=form).status_code == 409, "a GET shows the page and nothing more"
    assert links_of(stage, user) == []


def test_the_question_is_answered_once(stage: TimedServer) -> None:
    for choice, trap in (("link", False), ("new", True)):
        if trap:
            user = stage.add_user(email=address("google"), email_verified=False)
            arrived = arrive(stage, "google-ask", someone("google", email=str(user.email)))
        else:
            user, arrived = waiting_yes(stage)
        fields = arrived.fields
        people = len(stage.store.users.list())
        assert Arrival(arrived.choose(choice)).subject()
        arrived.browser.http.cookies.pop("idp_session")
        for interaction in (fields["interaction"], ""):  # the request that waited is over too
            again = arrived.browser.post("/conflict", data=fields | {"interaction": interaction, "choice": choice})
            assert (again.status_code, again.headers.get("Location")) == (400, None)
            assert "idp_session" not in arrived.browser.http.cookies
        assert len(stage.store.users.list()) == people + trap
        assert len(links_of(stage, user)) == 1 - trap


def test_the_question_ends_after_a_quarter_of_an_hour(stage: TimedServer) -> None:
    user, arrived = waiting_yes(stage)
    stage.forward(901)
    answer = arrived.browser.post("/conflict", data=arrived.fields | {"choice": "link"})
    assert (answer.status_code, "idp_session" in answer.cookies) == (400, False)
    assert links_of(stage, user) == []


def test_the_rules_are_judged_when_the_answer_comes(stage: TimedServer) -> None:
    """The account was disabled while the page was open."""
    user, arrived = waiting_yes(stage)
    stage.store.users.set_disabled(user.id, True, now=stage.now)
    check_conflict(Arrival(arrived.choose("link")))
    assert links_of(stage, user) == []


# --- After the end of an account


@pytest.mark.asvs("6.8.1")
def test_a_removed_persons_provider_account_comes_back_to_nobody(stage: TimedServer) -> None:
    person = someone("google", email=address("google"))
    first = arrive(stage, "google", person).subject()
    assert stage.store.removal.remove(first)
    successor = stage.add_user(email=person.email, email_verified=False)
    arrived = arrive(stage, "google", person)
    check_conflict(arrived)
    second = Arrival(arrived.choose("new")).subject()
    assert second not in {first, successor.id}
    assert links_of(stage, first) == []


def test_an_attacker_who_declares_a_subject_of_another_shape_gets_another_account(stage: TimedServer) -> None:
    """Case, spaces and digits of other scripts make no subject the same."""
    person = someone("acme", sub="subject-a" + new_email()[:8])
    mine = arrive(stage, "acme", person).subject()
    upper = Person(person.sub.upper(), new_email())
    assert arrive(stage, "acme", upper).subject() != mine
    for odd in (person.sub + " ", "\t" + person.sub, person.sub + "\u0660"):
        arrived = arrive(stage, "acme", Person("x", new_email()), claims={"sub": odd})
        assert (arrived.page.id, arrived.page.status) == ("trouble-page", 502)
