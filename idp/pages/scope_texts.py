"""What scopes and single claims mean, in words for people."""

from collections.abc import Mapping

from flask_babel import gettext
from flask_babel import lazy_gettext as _

from idp.protocol.scopes import Api

_SCOPES = {
    "openid": (_("Know who you are"), _("A code that stands for you, without your name or any other detail")),
    "profile": (_("See your profile"), _("Your name, user name, picture, language and other details of your profile")),
    "email": (_("See your e-mail address"), _("Your e-mail address, and whether it is confirmed")),
    "address": (_("See your postal address"), _("The address where you receive post")),
    "phone": (_("See your phone number"), _("Your phone number, and whether it is confirmed")),
}
_CLAIMS = {
    "name": _("Your full name"),
    "given_name": _("Your first name"),
    "family_name": _("Your last name"),
    "middle_name": _("Your middle name"),
    "nickname": _("Your nickname"),
    "preferred_username": _("Your user name"),
    "profile": _("The address of your profile page"),
    "picture": _("Your picture"),
    "website": _("Your website"),
    "email": _("Your e-mail address"),
    "email_verified": _("Whether your e-mail address is confirmed"),
    "gender": _("Your gender"),
    "birthdate": _("Your date of birth"),
    "zoneinfo": _("Your time zone"),
    "locale": _("Your language"),
    "phone_number": _("Your phone number"),
    "phone_number_verified": _("Whether your phone number is confirmed"),
    "address": _("Your postal address"),
    "updated_at": _("When your profile was last changed"),
    "roles": _("Your roles"),
}


def describe_scope(scope: str, apis: Mapping[str, Api]) -> tuple[str, str]:
    """Title and explanation of a scope: ours translated, an API's as its owner wrote it."""
    if scope in _SCOPES:
        title, description = _SCOPES[scope]
        return str(title), str(description)
    for api in apis.values():
        if scope in api.scopes:
            return api.scopes[scope] or scope, gettext("In %(api)s", api=api.name)
    return scope, ""


def describe_claim(claim: str) -> str:
    return str(_CLAIMS.get(claim, claim))
