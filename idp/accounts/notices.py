"""Mails that tell people what has happened to their account (ASVS 6.3.5, 6.3.7).

Owns whom they are told to, and their language: the one that the person has chosen, else that of the server, never that
of the page, where somebody else may be. An address that was never confirmed may be another person's: what goes there
repeats no name, and is bounded.
"""

import secrets
from dataclasses import dataclass
from typing import Any

from idp.accounts.tries import allows_mail
from idp.mail import send_mail
from idp.mail.outbox import Parts
from idp.protocol.identity import User
from idp.protocol.names import UI_LOCALES


@dataclass(frozen=True, slots=True)
class Scene:
    """When something was done, and from which network address."""

    now: int
    address: str | None


def language_of(user: User, otherwise: str) -> str:
    """The language of mails to this person: that of their `locale` claim (BCP 47), where we have it."""
    chosen = str(user.claims.get("locale") or "").replace("_", "-").partition("-")[0].lower()
    return chosen if chosen in UI_LOCALES else otherwise


def tell(parts: Parts, user: User, template: str, *, now: int, is_gone: bool = False, **variables: Any) -> None:
    """Send a notice; nothing where the person has no address.

    `variables`: those of the template but the `name`. `is_gone`: the account is deleted, and the mail nobody's.
    """
    if user.email is not None:
        tell_or_nobody(parts, user, template, now=now, is_gone=is_gone, **variables)


def tell_or_nobody(
    parts: Parts, user: User | None, template: str, *, now: int, is_gone: bool = False, **variables: Any
) -> None:
    """The same with the same effort where there is nobody to write to, so that no time tells whether there is."""
    email = user.email if user is not None else None
    is_confirmed = user is not None and user.claims.get("email_verified") is True
    counted = f"nobody {secrets.token_hex(8)}" if email is None or is_confirmed else email
    may_write = allows_mail(parts, "notice", counted, now=now)
    language = parts.settings.default_locale
    send_mail(
        parts,
        template,
        email if may_write else None,
        language=language_of(user, language) if user is not None else language,
        now=now,
        user_id=user.id if user is not None and not is_gone else None,
        name=user.name if user is not None and is_confirmed else "",
        **variables,
    )


def tell_password_changed(parts: Parts, user: User, scene: Scene) -> None:
    where: dict[str, Any] = {"address": scene.address, "recover_url": f"{parts.settings.issuer}/recover"}
    tell(parts, user, "password_changed", now=scene.now, when=scene.now, **where)


def tell_way_in_changed(parts: Parts, user: User, what: str, scene: Scene) -> None:
    """`what` is a key of the mail `factor_changed`."""
    where: dict[str, Any] = {"address": scene.address, "account_url": f"{parts.settings.issuer}/account"}
    tell(parts, user, "factor_changed", now=scene.now, what=what, when=scene.now, **where)


def tell_identity_linked(parts: Parts, user: User, provider: str, *, now: int) -> None:
    account_url = f"{parts.settings.issuer}/account"
    tell(parts, user, "identity_linked", now=now, provider=provider, when=now, account_url=account_url)
