"""What mails say: complete in both languages, plain, without anything that is fetched or that a stranger put there."""

import re
from email.headerregistry import HeaderRegistry
from typing import Any

import pytest
from bs4 import BeautifulSoup

from idp.accounts.factor_changes import Change
from idp.mail import TEMPLATES
from idp.mail.rendering import LANGUAGES, PACKAGE, Rendered, render_mail

HOME = "https://id.example.com/"
URL = "https://id.example.com/somewhere?token=abcdefghijklmnopqrstuvwxyz0123456789_-ABCDE"
VARIABLES: dict[str, Any] = {
    "name": "Zoë",
    "inviter": "Grace Hopper",
    "url": URL,
    "sign_in_url": URL,
    "recover_url": URL,
    "account_url": URL,
    "undo_url": URL,
    "code": "012345",
    "minutes": 60,
    "days": 7,
    "when": 1_795_271_280,
    "address": "203.0.113.7",
    "new_email": "ada@new.example",
    "new_email_masked": "a…@new.example",
    "what": "totp_added",
    "user_agent": "Firefox 140 on Linux",
    "tries": 12,
    "how_far": "nowhere",
    "provider": "Städtische Hochschule",
}
NAMELESS = {"invitation", "test"}
every_mail = pytest.mark.parametrize("template", TEMPLATES)


def rendered(template: str, language: str = "en", service_name: str = "Harbour & Sons", **changes: Any) -> Rendered:
    values = {name: VARIABLES[name] for name in TEMPLATES[template].variables} | changes
    return render_mail(template, values, language=language, service_name=service_name, home_url=HOME)


def words(html: str) -> str:
    return " ".join(BeautifulSoup(html, "html.parser").body.get_text(" ").split())  # type: ignore[union-attr]


@every_mail
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_mail_says_who_writes_what_happened_and_the_same_as_text_and_as_html(template: str, language: str) -> None:
    mail = rendered(template, language)
    assert "Harbour & Sons" in mail.subject
    assert "Harbour & Sons" in mail.text
    assert f'<html lang="{language}">' in mail.html
    assert HOME in mail.text
    said = re.sub(r"\W+", "", words(mail.html))
    for line in mail.text.splitlines():
        assert re.sub(r"\W+", "", line) in said, line
    if template not in NAMELESS:
        assert "Zoë" in mail.text.splitlines()[0]
    values = {name for name in TEMPLATES[template].variables if isinstance(VARIABLES[name], str)} - {
        "what",
        "how_far",
        "name",
    }
    assert [name for name in values if VARIABLES[name] not in mail.text] == []


@every_mail
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_mail_says_what_to_do_if_it_was_not_you(template: str, language: str) -> None:
    unasked = {
        "en": r"If (it was not you|you did not expect this)|or if it was not you",
        "fr": r"(Si|si) (ce n’était pas vous|vous n’attendiez pas|vous ne vous y attendiez pas)|pas vous",
    }
    assert re.search(unasked[language], rendered(template, language).text.replace("\u00a0", " "))


@every_mail
def test_the_french_mail_repeats_no_english_sentence(template: str) -> None:
    english, french = rendered(template, "en"), rendered(template, "fr")
    given = {str(value) for value in VARIABLES.values()} | {"Harbour & Sons", HOME, "--"}
    same = set(english.text.splitlines()) & set(french.text.splitlines())
    assert {line.strip() for line in same} - given == {""}
    assert english.subject != french.subject


def test_french_mails_have_french_times_and_durations() -> None:
    text = rendered("password_changed", "fr").text
    assert "novembre 2026" in text
    assert "UTC" in text
    assert "60 minutes" in rendered("password_reset", "fr").text
    assert "7 jours" in rendered("invitation", "fr").text.replace("\u00a0", " ")


@pytest.mark.parametrize("language", ["de", "", "fr-CA", "FR", "en_GB", "../../etc", "\0", "zz-" * 1000])
def test_any_language_gives_a_mail(language: str) -> None:
    first = rendered("test", language).text.splitlines()[0]
    assert first == ("Bonjour," if language.lower().startswith("fr") else "Hello,")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("change", Change)
def test_every_change_of_a_factor_has_a_sentence(change: Change, language: str) -> None:
    mail = rendered("factor_changed", language, what=change.value)
    assert "_" not in mail.text.replace(URL, "")


@pytest.mark.parametrize("how_far", ["nowhere", "password", "in"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_mail_about_failed_tries_says_how_far_they_went(how_far: str, language: str) -> None:
    mails = {each: rendered("suspicious_sign_in", language, how_far=each) for each in ("nowhere", "password", "in")}
    others = [mail.text for each, mail in mails.items() if each != how_far]
    assert mails[how_far].text not in others
    assert ("signed in to your account" in mails[how_far].text) == (how_far == "in" and language == "en")


# --- What a mail never holds


@every_mail
@pytest.mark.asvs("3.2.2")
def test_nothing_is_fetched_or_run_when_a_mail_is_opened(template: str) -> None:
    soup = BeautifulSoup(rendered(template).html, "html.parser")
    assert soup.find_all(["img", "script", "link", "iframe", "object", "video", "form", "style", "base", "svg"]) == []
    for tag in soup.find_all(True):
        assert not {name for name in tag.attrs if name.startswith("on") or name in {"src", "srcset", "background"}}
        assert "url(" not in str(tag.get("style", ""))
    assert {str(link["href"]) for link in soup.find_all("a")} <= {URL, HOME}


HOSTILE = "<b onclick=alert(1)>\"Tools\" & 'Söhne'</b>"


@every_mail
def test_what_people_typed_is_text_in_the_html(template: str) -> None:
    typed = ("name", "inviter", "user_agent", "provider", "new_email", "new_email_masked", "address")
    changes = {name: HOSTILE for name in typed if name in TEMPLATES[template].variables}
    mail = rendered(template, service_name=HOSTILE, **changes)
    soup = BeautifulSoup(mail.html, "html.parser")
    assert soup.find_all("b") == []
    assert soup.find_all(onclick=True) == []
    assert HOSTILE in mail.subject


ADVERTISEMENTS = [
    "Win at https://evil.example", "evil.example", "www.evil", "write to me@evil.example", "evil。example",
    "http:/evil", "EVIL.EXAMPLE/x", "call 0.9", "//evil", "mailto:x",
]  # fmt: skip


@pytest.mark.parametrize("name", ADVERTISEMENTS)
def test_a_name_that_a_mail_program_could_make_a_link_of_is_left_out(name: str) -> None:
    mail = rendered("verify_email", name=name)
    assert mail.text.startswith("Hello,\n")
    assert "evil" not in mail.text + mail.html + mail.subject


@pytest.mark.parametrize(
    "name", ["Ada", "Jean-Luc O’Neill", "J. R. R. Tolkien", "عائشة بنت محمد", "李小龍", "St. John"]
)
def test_names_as_people_have_them_are_said(name: str) -> None:
    assert rendered("verify_email", name=name).text.startswith(f"Hello {name},\n")


def test_a_browser_that_calls_itself_an_advertisement_is_left_out() -> None:
    told = rendered("new_sign_in", user_agent="Buy at evil.example").text
    assert "evil" not in told
    assert "Browser" not in told


@pytest.mark.parametrize("break_", ["\r\n", "\n", "\r", "\u2028", "\u0085", "\x0b", "\0", "\u202e", "\ud800"])
def test_no_value_breaks_a_line_hides_text_or_cannot_be_sent(break_: str) -> None:
    hostile = f"A{break_}Bcc: eve"
    for template, kind in TEMPLATES.items():
        typed = ("inviter", "provider", "new_email", "new_email_masked", "user_agent", "address", "name")
        changes = {name: hostile for name in typed if name in kind.variables}
        mail = rendered(template, service_name=hostile, **changes)
        assert len(mail.subject.splitlines()) == 1
        assert break_ not in mail.subject
        assert "\nBcc" not in mail.text
        assert "Bcc: eve" not in mail.text.splitlines()
        (mail.subject + mail.text + mail.html).encode()
        HeaderRegistry()("Subject", mail.subject)


def test_what_is_too_long_is_cut() -> None:
    assert len(rendered("new_sign_in", name="x" * 100_000, user_agent="y" * 100_000).text) < 1500


@pytest.mark.parametrize("name", [None, "", " "])
def test_a_person_without_a_name_is_greeted_too(name: str | None) -> None:
    assert rendered("verify_email", name=name).text.startswith("Hello,\n")


def test_every_folder_of_templates_is_a_mail_that_there_is() -> None:
    folders = {path.name for path in (PACKAGE / "templates" / "mail").iterdir() if path.is_dir()}
    assert folders == set(TEMPLATES)
