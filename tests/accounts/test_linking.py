"""The rules of linking (docs/account-linking.md): by connection, issuer and subject alone; an e-mail only ever asks."""

from itertools import product
from typing import Any, Literal

import pytest

from idp.accounts.linking import (
    EXPLANATIONS,
    Arrival,
    Conflict,
    SignedIn,
    TurnedAway,
    Why,
    decline,
    find_conflict,
    is_same_address,
    link,
    sign_in_with,
    start_new,
)
from idp.protocol.identity import User
from idp.server import Server
from idp.store.users import NewUser
from tests.accounts.arrivals import (
    NOW,
    add_person,
    arrival,
    connection,
    events_of,
    new_email,
    with_settings,
)
from tests.support.crowd import at_once

Trust = Literal["refuse", "ask", "link"]
TRUSTS: tuple[Trust, ...] = ("refuse", "ask", "link")
BOTH = (True, False)


def signed_in(house: Server, guest: Arrival, now: int = NOW) -> User:
    outcome = sign_in_with(house, guest, now=now)
    assert isinstance(outcome, SignedIn), outcome
    return outcome.user


def owner_of(house: Server, guest: Arrival) -> str | None:
    found = house.store.identities.find(guest.key)
    return found[1].id if found is not None else None


def accounts_with(house: Server, guest: Arrival) -> set[str]:
    """Who has the e-mail of this arrival, or its link."""
    found = house.store.users.find_by_email(str(guest.identity.email))
    return {each for each in (found[0].id if found else None, owner_of(house, guest)) if each is not None}


# --- The table: an e-mail that an account here has already

# (trust, the provider owns the address, it has verified it, the account here has, the account is disabled) → why
Row = tuple[Trust, bool, bool, bool, bool]
LINKED_AT_ONCE: set[Row] = {("link", True, True, True, False)}
LINKED_AT_A_YES: set[Row] = {("ask", True, True, True, False)}
MAY_START_NEW: set[Row] = {(trust, owns, True, False, False) for trust in TRUSTS for owns in BOTH}
ROWS: list[Row] = list(product(TRUSTS, BOTH, BOTH, BOTH, BOTH))


def reason_of(row: Row) -> Why:
    """The first rule that applies, in the order of the document."""
    trust, owns_email, verified_there, confirmed_here, disabled = row
    if disabled:
        return Why.LOCAL_DISABLED
    if not confirmed_here:
        return Why.LOCAL_UNCONFIRMED
    if trust == "refuse":
        return Why.TRUST_REFUSES
    if not (owns_email and verified_there):
        return Why.NOT_ITS_ADDRESS
    return Why.VOUCHED if trust == "link" else Why.CONFIRMED


def meeting(house: Server, row: Row) -> tuple[NewUser, Arrival]:
    """An account here, and somebody who arrives with its e-mail."""
    trust, owns_email, verified_there, confirmed_here, disabled = row
    person = add_person(house, email_verified=confirmed_here)
    if disabled:
        house.store.users.set_disabled(person.id, True, now=NOW)
    google = connection(trust_email=trust)
    return person, arrival(google, email=person.email, owns_email=owns_email, email_verified=verified_there)


@pytest.mark.asvs("6.8.1", "6.3.4")
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_an_e_mail_links_only_where_trust_provider_and_account_all_say_so(house: Server, row: Row) -> None:
    person, guest = meeting(house, row)
    outcome = sign_in_with(house, guest, now=NOW)
    if row in LINKED_AT_ONCE:
        assert isinstance(outcome, SignedIn)
        assert (outcome.user.id, outcome.is_new, owner_of(house, guest)) == (person.id, False, person.id)
        assert events_of(house, person.id) == [("identity.linked", "vouched")]
        return
    assert isinstance(outcome, Conflict)
    assert owner_of(house, guest) is None
    assert accounts_with(house, guest) == {person.id}
    assert (outcome.user.id, outcome.why) == (person.id, reason_of(row))
    assert outcome.may_ask is (row in LINKED_AT_A_YES)
    assert outcome.may_start_new is (row in MAY_START_NEW)
    expected = Why.ASKED if row in LINKED_AT_A_YES else outcome.why
    assert events_of(house, person.id) == [("identity.link_refused", expected.value)]


@pytest.mark.asvs("6.8.1")
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_new_account_takes_an_address_only_where_nobody_had_confirmed_it_and_the_provider_has(
    house: Server, row: Row
) -> None:
    """Classic-federated merge and the trojan identifier: the account of who only claimed the address is left alone."""
    person, guest = meeting(house, row)
    outcome = start_new(house, guest, now=NOW)
    found = house.store.users.find(person.id)
    assert found is not None
    if row not in MAY_START_NEW:
        assert isinstance(outcome, Conflict)
        assert (owner_of(house, guest), found.email) == (None, person.email)
        return
    assert isinstance(outcome, SignedIn)
    assert outcome.is_new
    assert outcome.user.id != person.id
    assert (outcome.user.email, outcome.user.claims["email_verified"]) == (person.email, True)
    assert (owner_of(house, guest), found.email) == (outcome.user.id, None)
    assert house.store.users.has_password(person.id)
    assert not house.store.users.has_password(outcome.user.id)
    assert events_of(house, person.id) == [("email.lost", "took_address")]
    assert events_of(house, outcome.user.id) == [("user.added", None), ("identity.linked", "sign_up")]


def test_a_person_who_confirms_the_address_meanwhile_keeps_it(house: Server) -> None:
    """The rules are judged anew when the person answers, not when they were asked."""
    person, guest = meeting(house, ("refuse", True, True, False, False))
    asked = sign_in_with(house, guest, now=NOW)
    assert isinstance(asked, Conflict)
    assert asked.may_start_new
    house.store.removal.remove(person.id)
    owner = add_person(house, email=person.email)
    outcome = start_new(house, guest, now=NOW)
    assert isinstance(outcome, Conflict)
    assert (outcome.user.id, outcome.may_start_new) == (owner.id, False)
    assert accounts_with(house, guest) == {owner.id}


def test_an_address_that_has_become_free_meanwhile_is_an_ordinary_first_sign_in(house: Server) -> None:
    person, guest = meeting(house, ("refuse", True, True, True, False))
    assert isinstance(sign_in_with(house, guest, now=NOW), Conflict)
    house.store.removal.remove(person.id)
    outcome = start_new(house, guest, now=NOW)
    assert isinstance(outcome, SignedIn)
    assert outcome.is_new


@pytest.mark.asvs("6.8.1")
@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("weiß", "weiss", id="sharp s"),
        pytest.param("ada", "ａda", id="full width"),
        pytest.param("kim", "\u212aim", id="Kelvin sign"),
        pytest.param("ﬁona", "fiona", id="ligature"),
        pytest.param("zoë", "zoe\u0308", id="decomposed"),
    ],
)
def test_an_address_that_only_looks_the_same_is_a_question_and_never_a_link(
    house: Server, one: str, other: str
) -> None:
    domain = new_email()
    person = add_person(house, email=one + domain)
    for trust in TRUSTS:
        guest = arrival(connection(trust_email=trust), email=other + domain)
        outcome = sign_in_with(house, guest, now=NOW)
        assert isinstance(outcome, Conflict)
        assert (outcome.user.id, outcome.may_ask, outcome.may_start_new) == (person.id, False, False)
    assert not is_same_address(one, other)


def test_the_case_of_ascii_letters_is_the_same_mailbox(house: Server) -> None:
    person = add_person(house)
    guest = arrival(connection(trust_email="link"), email=str(person.email).upper())
    assert signed_in(house, guest).id == person.id


def test_a_trusted_provider_that_hands_out_the_address_never_meets_an_unconfirmed_account(house: Server) -> None:
    """Pre-hijacking: whoever registered the victim's address beforehand gains nothing, and loses nothing but it."""
    trap = add_person(house, email_verified=False)
    guest = arrival(connection(trust_email="link"), email=trap.email)
    assert isinstance(sign_in_with(house, guest, now=NOW), Conflict)
    victim = start_new(house, guest, now=NOW)
    assert isinstance(victim, SignedIn)
    assert house.store.users.find_for_sign_in(str(trap.email)) == (victim.user, None)
    assert signed_in(house, guest).id == victim.user.id
    assert house.store.identities.list_of(trap.id) == []


# --- First sign-in


def test_a_first_sign_in_makes_an_account_with_what_the_provider_said(house: Server) -> None:
    guest = arrival(profile={"name": "Zoë Škvorecká", "picture": "https://a.example/z.png"}, names=("Zoë Škvorecká",))
    outcome = sign_in_with(house, guest, now=NOW)
    assert isinstance(outcome, SignedIn)
    assert outcome.is_new
    assert outcome.user.username.startswith("ZoeSkvorecka"[:11])
    expected = {"name": "Zoë Škvorecká", "picture": "https://a.example/z.png", "email": guest.identity.email}
    assert {name: outcome.user.claims.get(name) for name in expected} == expected
    assert outcome.user.roles == ()
    assert not house.store.users.has_password(outcome.user.id)
    (linked,) = house.store.identities.list_of(outcome.user.id)
    assert (linked.key, linked.linked_how, linked.tokens) == (guest.key, "sign_up", None)


def test_an_address_that_the_provider_has_not_confirmed_is_not_confirmed_here(house: Server) -> None:
    user = signed_in(house, arrival(email_verified=False, owns_email=False))
    assert user.claims["email_verified"] is False


def test_people_without_an_e_mail_have_accounts_of_their_own(house: Server) -> None:
    nobodies = {signed_in(house, arrival(email=None, email_verified=False, owns_email=False)).id for _ in range(3)}
    assert len(nobodies) == 3


def test_tokens_are_kept_with_the_link_and_forgotten_when_none_come(house: Server) -> None:
    guest = arrival(tokens="sealed")
    user = signed_in(house, guest)
    assert [each.tokens for each in house.store.identities.list_of(user.id)] == ["sealed"]
    signed_in(house, Arrival(guest.connection, guest.identity, None))
    assert [each.tokens for each in house.store.identities.list_of(user.id)] == [None]


@pytest.mark.parametrize(
    ("everywhere", "here", "is_open"),
    [("open", None, True), ("closed", None, False), ("open", "closed", False), ("closed", "open", True)],
)
def test_no_account_is_made_while_sign_up_is_closed(
    house: Server, everywhere: str, here: Literal["open", "closed"] | None, is_open: bool
) -> None:
    closed = with_settings(house, sign_up=everywhere)
    guest = arrival(connection(sign_up=here))
    outcome = sign_in_with(closed, guest, now=NOW)
    assert isinstance(outcome, SignedIn if is_open else TurnedAway)
    assert (owner_of(house, guest) is not None) is is_open
    if isinstance(outcome, TurnedAway):
        assert outcome.why is Why.SIGN_UP_CLOSED
        assert accounts_with(house, guest) == set()


def test_closed_sign_up_lets_people_in_who_are_linked_or_may_be(house: Server) -> None:
    closed = with_settings(house, sign_up="closed")
    known = arrival()
    user = signed_in(house, known)
    assert signed_in(closed, known).id == user.id
    person, guest = meeting(closed, ("link", True, True, True, False))
    assert signed_in(closed, guest).id == person.id


def test_closed_sign_up_makes_no_new_account_for_an_unconfirmed_address_either(house: Server) -> None:
    closed = with_settings(house, sign_up="closed")
    person, guest = meeting(closed, ("refuse", True, True, False, False))
    outcome = start_new(closed, guest, now=NOW)
    assert isinstance(outcome, Conflict)
    assert not outcome.may_start_new
    assert accounts_with(house, guest) == {person.id}


def test_sixteen_first_arrivals_at_the_same_instant_are_one_person(house: Server) -> None:
    guest = arrival()
    outcomes = at_once(16, lambda _: sign_in_with(house, guest, now=NOW))
    people = {outcome.user.id for outcome in outcomes if isinstance(outcome, SignedIn)}
    assert all(isinstance(outcome, SignedIn) for outcome in outcomes), outcomes
    assert len(people) == 1
    assert accounts_with(house, guest) == people


def test_two_providers_that_bring_one_new_address_at_the_same_instant_make_one_account(house: Server) -> None:
    email = new_email()
    guests = [arrival(connection(name), email=email) for name in ("google", "acme") for _ in range(4)]
    outcomes = at_once(8, lambda index: sign_in_with(house, guests[index], now=NOW))
    made = [outcome for outcome in outcomes if isinstance(outcome, SignedIn)]
    assert len(made) == 1
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 7


# --- Coming back


@pytest.mark.spec("OpenID Connect Core 1.0", "5.7", "MUST")
@pytest.mark.asvs("10.5.2", "6.8.1")
def test_the_same_subject_is_the_same_person_whatever_their_e_mail_is_now(house: Server) -> None:
    guest = arrival()
    user = signed_in(house, guest)
    stranger = add_person(house)
    for email in (new_email(), None, stranger.email):
        again = arrival(subject=guest.identity.subject, email=email)
        assert signed_in(house, again).id == user.id
    found = house.store.users.find(user.id)
    assert found is not None
    assert found.email == guest.identity.email, "the address of the account is the person's to change"


@pytest.mark.spec("OpenID Connect Core 1.0", "5.7", "MUST")
@pytest.mark.asvs("6.8.1", "10.5.2")
@pytest.mark.parametrize("other", ["connection", "issuer", "subject"])
def test_the_same_subject_elsewhere_is_another_person(house: Server, other: str) -> None:
    guest = arrival()
    user = signed_in(house, guest)
    changes: dict[str, Any] = {"subject": guest.identity.subject}
    changes |= {"issuer": {"issuer": "https://evil.example"}, "subject": {"subject": "another"}}.get(other, {})
    stranger = arrival(connection("acme") if other == "connection" else None, **changes)
    assert signed_in(house, stranger).id != user.id


def test_a_disabled_person_does_not_come_in_and_nothing_of_them_is_renewed(house: Server) -> None:
    guest = arrival()
    user = signed_in(house, guest)
    house.store.users.set_disabled(user.id, True, now=NOW)
    outcome = sign_in_with(house, arrival(subject=guest.identity.subject, profile={"name": "New"}), now=NOW + 9)
    assert isinstance(outcome, TurnedAway)
    assert outcome.why is Why.ACCOUNT_DISABLED
    found = house.store.identities.find(guest.key)
    assert found is not None
    assert (found[0].last_used_at, found[1].claims["name"]) == (NOW, "Ada Lovelace")
    assert events_of(house, user.id)[-1] == ("sign_in.failed", "account_disabled")


def test_the_account_at_the_provider_of_a_removed_person_is_free(house: Server) -> None:
    guest = arrival()
    user = signed_in(house, guest)
    house.store.removal.remove(user.id)
    again = sign_in_with(house, guest, now=NOW)
    assert isinstance(again, SignedIn)
    assert again.is_new
    assert again.user.id != user.id


@pytest.mark.parametrize(("policy", "expected"), [("always", "Ada King"), ("first", "Ada Lovelace")])
def test_the_profile_follows_the_provider_by_policy(
    house: Server, policy: Literal["first", "always"], expected: str
) -> None:
    google = connection(profile_refresh=policy)
    guest = arrival(google)
    user = signed_in(house, guest)
    again = arrival(google, subject=guest.identity.subject, profile={"name": "Ada King"})
    assert signed_in(house, again, NOW + 5).claims["name"] == expected
    assert user.claims["name"] == "Ada Lovelace"


def test_a_name_that_came_the_first_time_only_is_kept(house: Server) -> None:
    """Apple sends it once and never again."""
    guest = arrival(profile={"name": "Ada Lovelace", "given_name": "Ada"})
    signed_in(house, guest)
    for _ in range(2):
        again = arrival(subject=guest.identity.subject, profile={})
        assert signed_in(house, again).claims["given_name"] == "Ada"


def test_what_the_person_edited_here_is_never_overwritten(house: Server) -> None:
    guest = arrival()
    user = signed_in(house, guest)
    assert house.store.users.refresh_profile(user.id, guest.identity.profile, {"name": "Countess"}, now=NOW)  # an edit
    for name in ("Ada King", "Ada Lovelace", "Countess", "Augusta King"):
        again = arrival(subject=guest.identity.subject, profile={"name": name})
        assert signed_in(house, again).claims["name"] == "Countess"


def test_a_second_provider_changes_nothing_of_a_profile_that_it_did_not_fill(house: Server) -> None:
    first = arrival(profile={"name": "Ada Lovelace", "picture": "https://a.example/1.png"})
    user = signed_in(house, first)
    second = arrival(connection("discord"), profile={"name": "adal", "nickname": "adal"})
    assert link(house, second, user.id, Why.AFTER_SIGN_IN, now=NOW)
    again = arrival(connection("discord"), subject=second.identity.subject, profile={"name": "ada l", "nickname": "x"})
    claims = signed_in(house, again).claims
    assert claims["name"] == "Ada Lovelace"
    assert "nickname" not in claims


# --- Linking by a person who is signed in


def test_linking_adds_a_way_in_and_doing_it_twice_is_no_fault(house: Server) -> None:
    person, guest = add_person(house), arrival()
    assert link(house, guest, person.id, Why.ACCOUNT_PAGE, now=NOW)
    assert link(house, guest, person.id, Why.ACCOUNT_PAGE, now=NOW)
    assert signed_in(house, guest).id == person.id
    assert events_of(house, person.id) == [("identity.linked", "account_page")]


@pytest.mark.asvs("6.8.1")
def test_an_account_that_signs_somebody_else_in_is_not_linked(house: Server) -> None:
    owner, guest, person = add_person(house), arrival(), add_person(house)
    assert link(house, guest, owner.id, Why.ACCOUNT_PAGE, now=NOW)
    assert not link(house, guest, person.id, Why.AFTER_SIGN_IN, now=NOW)
    assert signed_in(house, guest).id == owner.id
    assert events_of(house, person.id) == [("identity.link_refused", "another_persons")]


def test_an_account_is_linked_to_one_of_sixteen_people_who_try_at_the_same_instant(house: Server) -> None:
    people, guest = [add_person(house) for _ in range(16)], arrival()
    linked = at_once(16, lambda index: link(house, guest, people[index].id, Why.AFTER_SIGN_IN, now=NOW))
    assert linked.count(True) == 1
    assert owner_of(house, guest) == people[linked.index(True)].id


def test_a_no_is_remembered_and_links_nothing(house: Server) -> None:
    person, guest = add_person(house), arrival()
    decline(house, guest, person.id, now=NOW)
    assert owner_of(house, guest) is None
    assert events_of(house, person.id) == [("identity.link_refused", "declined")]


@pytest.mark.asvs("16.3.1")
def test_every_reason_has_a_sentence_and_none_holds_what_somebody_else_wrote(house: Server) -> None:
    assert set(EXPLANATIONS) == set(Why)
    assert all(sentence.endswith(".") and sentence[0].isupper() for sentence in EXPLANATIONS.values())
    guest = arrival(email="hidden-" + new_email(), tokens="hidden-tokens")
    user = signed_in(house, guest)
    assert "hidden" not in str(house.store.audit_events.list(user_id=user.id))


def test_find_conflict_sees_nobody_where_nobody_is(house: Server) -> None:
    assert find_conflict(house, arrival()) is None
    assert find_conflict(house, arrival(email=None)) is None
