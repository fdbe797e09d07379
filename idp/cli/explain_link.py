"""`idp users explain-link`: why a person can or cannot sign in with other providers, as the audit trail and the rules
of `accounts.linking` have it.

Owns the words around them. Nothing is decided here, and nothing is changed.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from idp.accounts.linking import EXPLANATIONS, Why, decide_by_email
from idp.audit import Event
from idp.cli.output import iso
from idp.protocol.identity import Identity, User
from idp.settings import Settings, UpstreamSettings
from idp.store import Store
from idp.store.identities import LinkedIdentity

MAX_EVENTS = 200
HAPPENED: Mapping[str, str] = {
    Event.IDENTITY_LINKED.value: "linked",
    Event.IDENTITY_UNLINKED.value: "unlinked",
    Event.LINK_REFUSED.value: "not linked",
    Event.UNLINK_REFUSED.value: "not unlinked",
    Event.EMAIL_LOST.value: "e-mail address lost",
}
# what the rules decide → what becomes of it; the other answers ask for a sign-in first
_COMES_TO: Mapping[Why, str] = {
    Why.VOUCHED: "link",
    Why.CONFIRMED: "ask",
    Why.LOCAL_UNCONFIRMED: "sign_in_first_or_start_new",
    Why.LOCAL_DISABLED: "refuse",
}
_OUTCOMES: Mapping[str, str] = {
    "link": "they would be signed in, and the two linked at once",
    "ask": "they would be asked, and the two linked at a yes",
    "sign_in_first": "they would have to sign in the old way first, and could link the two then",
    "sign_in_first_or_start_new": "they would have to sign in the old way first, or start a new account, which takes "
    "the address if the provider has confirmed it",
    "refuse": "nobody would be signed in, and nothing linked",
}
_BY_MAIL = "Somebody proved by a mail that the address is theirs; this account had not."  # the only one without a `why`
_IF_YES = "The provider hands out the address, the account here has confirmed it, and TRUST_EMAIL is ask."


def explain(store: Store, settings: Settings, user: User) -> tuple[dict[str, Any], Iterator[str]]:
    """All of it for JSON, and as lines to read. Provider tokens are never shown, only whether some are stored."""
    linked, names = store.identities.list_of(user.id), {each.name for each in settings.upstream}
    rows = store.audit_events.list(user_id=user.id, events=HAPPENED, limit=MAX_EVENTS + 1)
    explained = {
        "id": user.id,
        "username": user.username,
        "email": user.email,
        "email_verified": user.claims.get("email_verified") is True,
        "disabled": user.disabled,
        "has_password": store.users.has_password(user.id),
        "passkeys": len(store.passkeys.list_of(user.id)),
        "links": [_link(each, is_configured=each.key.upstream in names) for each in linked],
        "events": [_event(row) for row in reversed(rows[:MAX_EVENTS])],
        "has_older_events": len(rows) > MAX_EVENTS,
        "would_happen": _what_would_happen(settings, user),
    }
    return explained, _lines(explained)


def _link(linked: LinkedIdentity, *, is_configured: bool) -> dict[str, Any]:
    return {
        "connection": linked.key.upstream,
        "is_configured": is_configured,
        "issuer": linked.key.issuer,
        "subject": linked.key.subject,
        "email": linked.email,
        "linked_at": iso(linked.linked_at),
        "last_used_at": iso(linked.last_used_at),
        "why": linked.linked_how,
        "reason": _reason(linked.linked_how),
        "tokens_stored": linked.tokens is not None,
    }


def _event(row: Mapping[str, Any]) -> dict[str, Any]:
    detail = json.loads(row["detail"])
    why = str(detail.get("why", ""))
    return {
        "at": iso(row["at"]),
        "event": row["event"],
        "connection": detail.get("upstream"),
        "why": why,
        "reason": _reason(why) if why else _BY_MAIL,
        "address": row["address"],
        "request_id": row["request_id"],
    }


def _reason(why: str) -> str:
    """The sentence; of a reason that another version of this server had, its word."""
    return EXPLANATIONS[Why(why)] if why in set(Why) else f"{why}."


def _what_would_happen(settings: Settings, user: User) -> list[dict[str, Any]]:
    """What the rules say to somebody new who comes over each connection with this person's address."""
    if user.email is None:
        return []
    found = []
    for connection in settings.upstream:
        for owns_email in (True, False):
            identity = Identity("", "", user.email, email_verified=True, owns_email=owns_email)
            why = decide_by_email(connection, identity, user)
            entry = {"connection": connection.name, "provider_owns_email": owns_email, "why": why.value}
            found.append(
                entry
                | {
                    "outcome": _outcome(settings, connection, why),
                    "reason": _IF_YES if why is Why.CONFIRMED else EXPLANATIONS[why],
                }
            )
    return found


def _outcome(settings: Settings, connection: UpstreamSettings, why: Why) -> str:
    if why is Why.LOCAL_UNCONFIRMED and (connection.sign_up or settings.sign_up) != "open":
        return "sign_in_first"
    return _COMES_TO.get(why, "sign_in_first")


def _lines(explained: Mapping[str, Any]) -> Iterator[str]:
    yield f"{explained['username']}  {explained['id']}{'  disabled' if explained['disabled'] else ''}"
    if explained["email"] is not None:
        yield f"{explained['email']}, {'confirmed' if explained['email_verified'] else 'never confirmed'}"
    yield ""
    yield "Ways in:"
    yield from _lines_of_ways(explained)
    yield ""
    yield f"What happened{f', the newest {MAX_EVENTS} events' if explained['has_older_events'] else ''}:"
    for event in explained["events"]:
        yield f"  {event['at']}  {event['connection'] or '-'}  {HAPPENED[event['event']]}. {event['reason']}"
    if not explained["events"]:
        yield "  Nothing was linked, unlinked or refused."
    yield from _lines_of_future(explained["email"], explained["would_happen"])


def _lines_of_ways(explained: Mapping[str, Any]) -> Iterator[str]:
    if explained["has_password"]:
        yield "  password"
    if explained["passkeys"]:
        yield f"  {explained['passkeys']} passkey{'' if explained['passkeys'] == 1 else 's'}"
    for link in explained["links"]:
        known = "" if link["is_configured"] else ", which is not configured any more"
        yield f"  {link['connection']}{known}{' as ' + link['email'] if link['email'] else ''}"
        yield f"    linked    {link['linked_at']}  {link['reason']}"
        yield f"    last used {link['last_used_at']}"
        yield f"    tokens    {'stored, encrypted' if link['tokens_stored'] else 'not stored'}"
    ways = (explained["has_password"], explained["passkeys"], *(link["is_configured"] for link in explained["links"]))
    if not any(ways):
        yield "  none: nobody can sign in to this account"


def _lines_of_future(email: str | None, entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Both cases of a connection in one line where they come to the same."""
    yield ""
    if email is None:
        yield "No address is known, so nobody who comes over a provider meets this account by it."
        return
    yield f"If somebody new came over a provider as {email} now (docs/account-linking.md):"
    for hands_out, other in zip(entries[::2], entries[1::2], strict=True):
        if hands_out["why"] == other["why"]:
            yield f"  {other['connection']}: {_as_line(other)}"
            continue
        yield f"  {hands_out['connection']}, which hands out the address: {_as_line(hands_out)}"
        yield f"  {other['connection']}, which does not hand out the address: {_as_line(other)}"
    if not entries:
        yield "  No connection with another provider is configured."


def _as_line(entry: Mapping[str, Any]) -> str:
    return f"{_OUTCOMES[entry['outcome']]}. {entry['reason']}"
