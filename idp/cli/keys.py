"""`idp keys`: the signing keys, their states, and handing over from one to the next."""

import time
from typing import Any

import click

from idp import audit
from idp.audit import Event
from idp.cli.command import Group, KeyCommand, Refused
from idp.cli.opening import opened_store
from idp.cli.output import answer, answer_table, iso
from idp.jose.key_directory import KeyDirectory
from idp.jose.key_pair import SigningKey
from idp.settings import Settings, load_settings


@click.group(cls=Group)
def command() -> None:
    """The keys that tokens are signed with."""


@command.command("list")
def list_keys() -> None:
    """All keys: the active ones sign, the next ones are published already, the retired ones still verify."""
    settings, now = load_settings(), int(time.time())
    keys = [_described(key, settings, now) for key in KeyDirectory(settings.keys_dir).list(now)]
    columns = {"alg": "algorithm", "state": "state", "kid": "kid", "created_at": "created"}
    columns |= {"activates_at": "signs from", "retired_at": "signs until", "published": "published"}
    answer_table(keys, columns, empty="There are no signing keys yet; make them with: idp init")


@command.command("rotate")
@click.option("--alg", metavar="ALG", help="Only the keys of this algorithm.")
@click.option("--now", "immediately", is_flag=True, help="Even if the next key has not been published for long enough.")
def rotate(alg: str | None, immediately: bool) -> None:
    """Hand over to the next keys. They begin to sign once everyone has had time to fetch them.

    Running servers follow by themselves. Tokens signed by the old keys stay valid.
    """
    settings, now = load_settings(), int(time.time())
    promoted = KeyDirectory(settings.keys_dir).rotate(
        now, alg=alg, publish_for=settings.jwks_max_age, immediately=immediately
    )
    _record(settings, Event.KEYS_ROTATED, now, kids=[key.kid for key in promoted])
    answer([_described(key, settings, now) for key in promoted], *(_begin(key, now) for key in promoted))


@command.command("retire", cls=KeyCommand)
@click.argument("kid")
@click.option("--unpublish", is_flag=True, help="The key is compromised: what it signed stops being valid at once.")
def retire(kid: str, unpublish: bool) -> None:
    """Stop signing with one key now; the next key of its algorithm takes over."""
    settings, now = load_settings(), int(time.time())
    key = KeyDirectory(settings.keys_dir).retire(kid, now, unpublish=unpublish)
    _record(settings, Event.KEY_RETIRED, now, kid=kid, unpublished=unpublish)
    after = (
        f"It is no longer published: tokens that it signed are refused here now, and elsewhere within "
        f"{settings.jwks_max_age} seconds."
        if unpublish
        else f"It stays published until {iso(now + settings.longest_token_lifetime)}, "
        "when the last token that it signed has expired."
    )
    answer(_described(key, settings, now), f"The {key.alg} key {kid} signs no more. {after}")


@command.command("prune")
def prune() -> None:
    """Delete the keys whose last token has expired. Running servers do this by themselves."""
    settings, now = load_settings(), int(time.time())
    spent = KeyDirectory(settings.keys_dir).prune(now, settings.longest_token_lifetime)
    if spent:
        _record(settings, Event.KEYS_PRUNED, now, kids=[key.kid for key in spent])
    sentences = [f"Deleted the {key.alg} key {key.kid}." for key in spent] or ["No key is old enough to be deleted."]
    answer({"deleted": [key.kid for key in spent]}, *sentences)


def _begin(key: SigningKey, now: int) -> str:
    """When the key begins to sign, in words."""
    if key.activates_at is None or key.activates_at <= now:
        return f"{key.alg}: the key {key.kid} signs from now on."
    return (
        f"{key.alg}: the key {key.kid} begins to sign in {key.activates_at - now} seconds, at {iso(key.activates_at)}."
    )


def _described(key: SigningKey, settings: Settings, now: int) -> dict[str, Any]:
    return {
        "kid": key.kid,
        "alg": key.alg,
        "state": key.state(now),
        "created_at": iso(key.created_at),
        "activates_at": iso(key.activates_at),
        "retired_at": iso(key.retired_at),
        "published": key.is_published(now, settings.longest_token_lifetime),
    }


def _record(settings: Settings, event: Event, now: int, **detail: Any) -> None:
    """The keys have changed already, and must be able to when the database is down: then only a warning is left."""
    try:
        with opened_store(settings) as store:
            audit.record_by_operator(store, event, now=now, **detail)
    except Refused as refusal:
        click.echo(f"Not written to the audit trail: {refusal.message}", err=True)
