"""What `idp clients add --for` must know: taken from the options, asked for on a terminal, and checked.

Owns the questions' course and the checks of single answers. Off a terminal, and with `--json`, nothing is asked: what
is missing is named in one refusal.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import click

from idp.cli.apis import check_identifier, load_scope
from idp.cli.command import Refused, is_json
from idp.protocol.errors import OAuthError
from idp.protocol.redirect_uri import check_redirect_uri_registration, origin_of
from idp.recipes import Question, Recipe

MAX_NAME = 200
MAX_SCHEME = 64
Given = dict[str, tuple[str, ...]]


def collect(recipe: Recipe, options: Mapping[str, Any]) -> Given:
    """The checked answers by option, each a tuple that may be empty. Refused: what is wrong, and what is missing."""
    given = {each.option: _given(each, options) for each in recipe.questions}
    missing = [each for each in recipe.questions if _is_missing(each, given)]
    if missing and not _can_ask():
        names = " and ".join("NAME" if each.option == "name" else each.option for each in missing)
        raise Refused(f"{recipe.title}: {names} must be given; on a terminal you would be asked.", exit_code=2)
    if missing:
        _ask_all(recipe.questions, given)
    return given


def _given(question: Question, options: Mapping[str, Any]) -> tuple[str, ...]:
    value = options[question.option.removeprefix("--").replace("-", "_")]
    values = (value,) if isinstance(value, str) else tuple(value or ())
    if len(values) > 1 and not question.is_list:
        raise Refused(f"{question.option} can be given once here.")
    return tuple(dict.fromkeys(_check(question, value) for value in values if value))


def _is_missing(question: Question, given: Given) -> bool:
    return not given[question.option] and not question.is_optional


def _can_ask() -> bool:
    return sys.stdin.isatty() and not is_json()


def _ask_all(questions: Sequence[Question], given: Given) -> None:
    """Every question that has no answer yet. Questions go to standard error, so that the answer can be redirected."""
    for question in questions:
        if given[question.option]:
            continue
        if question.is_list:
            given[question.option] = _ask_list(question)
        else:
            answer = _ask(question.sentence, question, is_optional=question.is_optional)
            given[question.option] = (answer,) if answer else ()


def _ask_list(question: Question) -> tuple[str, ...]:
    found: list[str] = []
    while True:
        sentence = question.sentence if not found else "Another one (empty: no more)"
        answer = _ask(sentence, question, is_optional=bool(found) or question.is_optional)
        if not answer:
            return tuple(dict.fromkeys(found))
        found.append(answer)


def _ask(sentence: str, question: Question, *, is_optional: bool) -> str:
    def _checked(text: str) -> str:
        if not text.strip() and is_optional:
            return ""
        try:
            return _check(question, text.strip())
        except (Refused, OAuthError) as error:
            raise click.UsageError(str(error)) from None

    default = "" if is_optional else question.default
    answer: str = click.prompt(sentence, default=default, value_proc=_checked, err=True, show_default=bool(default))
    return answer


def _check(question: Question, text: str) -> str:
    """The answer as it is kept. Refused, InvalidRedirectUri."""
    value = CHECKS[question.option](text)
    if question.is_root and urlsplit(value).path:
        raise Refused(
            f"{question.option} has no path here, because the library would take {urlsplit(value).path} for the path "
            f"of its own addresses: {origin_of(value)}"
        )
    return value


def _check_name(text: str) -> str:
    if len(text) > MAX_NAME or not text.isprintable() or not text.strip():
        raise Refused(f"A name is at most {MAX_NAME} printable characters.")
    return text


def _check_url(text: str) -> str:
    """The base URL as browsers write it, without a slash at its end."""
    url = text.rstrip("/")
    _check_web(url, "--url")
    if "?" in url:
        raise Refused("--url is a base URL such as https://shop.example.com, without a query.")
    return f"{origin_of(url)}{urlsplit(url).path}"


def _check_link(text: str) -> str:
    """RFC 8252 §7.2: a claimed link is https."""
    _check_web(text, "--link")
    if not text.startswith("https://"):
        raise Refused("--link is an https URL that the app has claimed.")
    return text


def _check_web(url: str, option: str) -> None:
    check_redirect_uri_registration(url)
    if origin_of(url) is None:
        raise Refused(f"{option} is an https URL, or http on this machine.")


def _check_scheme(text: str) -> str:
    """RFC 3986 §3.1, RFC 8252 §7.1. A word without a dot is taken with a warning: any other app may use the same."""
    scheme = text.removesuffix("://").removesuffix(":").lower()
    is_scheme = (
        scheme[:1].isalpha() and scheme.isascii() and set(scheme) <= set("abcdefghijklmnopqrstuvwxyz0123456789.+-")
    )
    if not is_scheme or len(scheme) > MAX_SCHEME or scheme in {"http", "https"}:
        raise Refused("--scheme is a URI scheme of your own, such as com.example.shop.")
    check_redirect_uri_registration(f"{scheme}:/callback")
    if "." not in scheme:
        click.echo(
            f"The scheme {scheme} may be taken by another app too; RFC 8252 asks for a domain of yours in reverse.",
            err=True,
        )
    return scheme


def _check_api(text: str) -> str:
    check_identifier(text)
    return text


def _check_scope(text: str) -> str:
    load_scope(text)
    return text


CHECKS: Mapping[str, Callable[[str], str]] = {
    "name": _check_name,
    "--url": _check_url,
    "--scheme": _check_scheme,
    "--link": _check_link,
    "--api": _check_api,
    "--api-scope": _check_scope,
}
