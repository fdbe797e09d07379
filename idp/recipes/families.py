"""What kinds of application have in common: their questions, and how a client of each family is registered.

RFC 9700 §2 for all of them, RFC 8252 for native applications, draft-ietf-oauth-browser-based-apps for browsers.
"""

from dataclasses import replace
from typing import Any

from idp.protocol.redirect_uri import origin_of
from idp.protocol.scopes import OFFLINE_ACCESS, OPENID
from idp.recipes.recipe import Answers, Question

NAME = Question("name", "What is it called? People see this name")
URLS = Question("--url", "Its URL, such as https://shop.example.com", is_list=True, default="http://localhost:3000")
ROOT_URLS = replace(URLS, is_root=True)
SCHEME = Question("--scheme", "Its private-use URI scheme: a domain of yours in reverse, such as com.example.shop")
LINKS = Question("--link", "A claimed https link that opens it (empty: none)", is_list=True, is_optional=True)
API_NAME = Question("name", "What is it called? (empty: its identifier)", is_optional=True)
API = Question("--api", "The identifier of the API, such as https://orders.example.com")
API_OF_CLIENT = Question("--api", "The API that it calls (empty: none)", is_list=True, is_optional=True)
API_SCOPES = Question(
    "--api-scope",
    "A scope of it and what it means, such as orders.read=See your orders",
    is_list=True,
    is_optional=True,
)

PERSON_SCOPES = (OPENID, "profile", "email", OFFLINE_ACCESS)
LOOPBACK = ("http://127.0.0.1/callback", "http://[::1]/callback")
HOUR, DAY = 3_600, 86_400


def web_front_end(answers: Answers, *callbacks: str) -> dict[str, Any]:
    """A front end with a server of its own, which keeps the secret and the tokens. It gets the profile in the ID token,
    because its library asks for nothing more."""
    return {
        "redirect_uris": tuple(url + callback for url in answers.urls for callback in callbacks),
        "post_logout_redirect_uris": tuple(uri for url in answers.urls for uri in (url, f"{url}/")),
        "token_endpoint_auth_method": "client_secret_basic",
        "require_pkce": True,
        "claims_in_id_token": True,
        "client_uri": answers.urls[0],
    } | for_people(answers)


def browser_application(answers: Answers, *callbacks: str) -> dict[str, Any]:
    """An application that is only in the browser: no secret, and tokens that do not outlive a day of work."""
    return {
        "redirect_uris": tuple(url + callback for url in answers.urls for callback in callbacks),
        "post_logout_redirect_uris": tuple(uri for url in answers.urls for uri in (url, f"{url}/")),
        "token_endpoint_auth_method": "none",
        "web_origins": tuple(dict.fromkeys(origin for url in answers.urls if (origin := origin_of(url)))),
        "refresh_token_idle_lifetime": HOUR,
        "refresh_token_lifetime": DAY,
        "client_uri": answers.urls[0],
    } | for_people(answers)


def native_application(answers: Answers) -> dict[str, Any]:
    """RFC 8252 §7: a private-use scheme, claimed https links, and loopback on any port."""
    ours = () if answers.scheme is None else (private_uri(answers.scheme, "callback"),)
    signed_out = () if answers.scheme is None else (private_uri(answers.scheme, "signed-out"),)
    return {
        "redirect_uris": (*ours, *answers.links, *LOOPBACK),
        "post_logout_redirect_uris": (*signed_out, *answers.links, "http://127.0.0.1/", "http://[::1]/"),
        "token_endpoint_auth_method": "none",
    } | for_people(answers)


def private_uri(scheme: str, path: str) -> str:
    """RFC 8252 §7.1: one slash after a scheme made from a domain; a bare word is followed by a host, as such apps
    expect."""
    return f"{scheme}:/{path}" if "." in scheme else f"{scheme}://{path}"


def for_people(answers: Answers) -> dict[str, Any]:
    """What every application that people sign in to may ask for. It gets a refresh token at every sign-in; one that
    came without `offline_access` (which takes a consent, or a first-party client) ends with the session here."""
    scopes = (scope for api in answers.apis for scope in api.scopes)
    return {
        "grant_types": ("authorization_code", "refresh_token"),
        "always_issue_refresh_token": True,
        "scope": tuple(dict.fromkeys((*PERSON_SCOPES, *scopes))),
        "audience": tuple(api.identifier for api in answers.apis),
    }
