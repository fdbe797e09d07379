"""What a mail says: subject, text and HTML from `templates/mail/<name>/`, outside any request.

Owns what may stand in a mail. Names and browsers are chosen by whoever types them, and a mail goes to people who never
asked for it: a name that could carry a link or an advertisement is left out.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from babel.dates import format_datetime
from babel.support import NullTranslations, Translations
from babel.units import format_unit
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from idp.mail.kinds import TEMPLATES

LANGUAGES = ("en", "fr")
PACKAGE = Path(__file__).parent.parent
MAX_NAME_LENGTH, MAX_WORDS_LENGTH = 64, 200
# What mail programs make a link of: a scheme, an address, a word with a dot and letters behind it.
_LINK = re.compile(r"://|@|www\.|[^\W_][.。．｡][^\W\d_]{2,}", re.IGNORECASE)
_UNITS = {"minutes": "duration-minute", "days": "duration-day"}
_BY_STRANGERS = ("name", "user_agent")


@dataclass(frozen=True, slots=True)
class Rendered:
    """A mail in one language. `subject` is one line; nothing of it may be logged."""

    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)


def render_mail(
    template: str, variables: Mapping[str, Any], *, language: str, service_name: str, home_url: str
) -> Rendered:
    """Raises KeyError for an unknown template, TypeError when its variables are not exactly those of TEMPLATES."""
    wanted = set(TEMPLATES[template].variables)
    if wanted != variables.keys():
        raise TypeError(f"{template} takes {sorted(wanted)}, not {sorted(variables)}")
    language = language.partition("-")[0].partition("_")[0].lower()
    language = language if language in LANGUAGES else LANGUAGES[0]
    shown = {name: _shown(name, value, language) for name, value in variables.items()}
    shown |= {"service": _one_line(service_name), "home_url": home_url, "language": language}
    subject, text, html = (
        _environment(language).get_template(f"{template}/{part}").render(shown)
        for part in ("subject.txt", "body.txt", "body.html")
    )
    return Rendered(_one_line(subject), re.sub(r"\n{3,}", "\n\n", text).strip() + "\n", html)


def _shown(name: str, value: Any, language: str) -> Any:
    if name == "when" and isinstance(value, int):
        return _written_time(value, language)
    if name in _UNITS:
        return format_unit(value, _UNITS[name], locale=language)
    if not isinstance(value, str) or name.endswith("url"):
        return value
    words = _one_line(value)
    if name in _BY_STRANGERS and (_LINK.search(words) or (name == "name" and re.search(r"[/:]|\d\.\d", words))):
        return ""
    return words[: MAX_NAME_LENGTH if name == "name" else MAX_WORDS_LENGTH].strip()


def _one_line(text: str) -> str:
    """Without line breaks, control characters and changes of direction; lone surrogates cannot be sent either."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _written_time(seconds: int, language: str) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{format_datetime(moment, 'd MMMM yyyy, HH:mm', locale=language)} UTC"


def _escapes(name: str | None) -> bool:
    return name is not None and name.endswith(".html")


@lru_cache(maxsize=len(LANGUAGES))
def _environment(language: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(PACKAGE / "templates" / "mail"),
        autoescape=_escapes,  # noqa: S701  # by the ending of each template
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    translations = Translations.load(PACKAGE / "translations", [language])
    install = partial(environment.install_gettext_translations, newstyle=True)  # type: ignore[attr-defined]
    install(translations if isinstance(translations, Translations) else NullTranslations())
    return environment
