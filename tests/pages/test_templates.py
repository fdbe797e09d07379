"""What every page promises, whoever fills it: its markup, its forms, and that nothing in it is inline."""

from collections.abc import Callable
from pathlib import Path

import pytest
from bs4 import BeautifulSoup, Tag

import idp
from tests.pages.samples import HOSTILE, SAMPLES, make_samples_app

TEMPLATES = Path(idp.__file__).parent / "templates" / "pages"
CONTROLS = {
    "login": ["username", "password", "login", "cancel", "client-logo", "client-policy", "client-tos"],
    "select-account": ["continue", "switch"],
    "consent": ["allow", "deny", "switch", "client-logo", "client-policy", "client-tos"],
    "logout": ["logout", "stay"],
    "form-post": ["form-post", "continue"],
    "playground": ["start", "scope", "prompt", "max_age", "login_hint", "claims", "resource", "response_mode"],
    "playground-result": ["step-token", "refresh", "introspect", "revoke", "userinfo", "sign-out"],
}

Render = Callable[..., BeautifulSoup]
every_page = pytest.mark.parametrize("sample", SAMPLES)


@pytest.fixture(scope="module")
def render() -> Render:
    """Renders a sample, in a language."""
    client = make_samples_app().test_client()

    def _render(sample: str, language: str = "en") -> BeautifulSoup:
        response = client.get(f"/{sample}?lang={language}")
        assert response.status_code == 200
        return BeautifulSoup(response.text, "html.parser")

    return _render


def find_form_controls(page: BeautifulSoup) -> list[Tag]:
    return [tag for tag in page.find_all(["input", "select", "textarea"]) if tag.get("type") != "hidden"]


def test_every_template_has_a_sample() -> None:
    assert {path.stem for path in TEMPLATES.glob("*.html")} == {template for template, _, _ in SAMPLES.values()}


@pytest.mark.parametrize("language", ["en", "fr"])
@every_page
def test_a_page_says_its_language_and_title_and_has_its_container(render: Render, sample: str, language: str) -> None:
    page = render(sample, language)
    assert page.html is not None
    assert page.html["lang"] == language
    assert page.title is not None
    assert page.title.text.strip(" –").endswith("– Northwind ID")
    assert len(page.select(f"main#main #{SAMPLES[sample][1]}")) == 1
    assert len(page.find_all("h1")) == 1


@every_page
def test_no_id_is_used_twice(render: Render, sample: str) -> None:
    ids = [tag["id"] for tag in render(sample).find_all(id=True)]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(("sample", "control"), [(name, each) for name, ids in CONTROLS.items() for each in ids])
def test_a_control_has_its_stable_id(render: Render, sample: str, control: str) -> None:
    assert render(sample).find(id=control) is not None


@every_page
def test_a_page_has_no_inline_script_style_or_event_attribute(render: Render, sample: str) -> None:
    page = render(sample)
    assert not page.find_all("style")
    assert all(script.get("src") and not script.text for script in page.find_all("script"))
    attributes = [name for tag in page.find_all(True) for name in tag.attrs]
    assert not [name for name in attributes if name == "style" or name.startswith("on")]
    assert not [link for link in page.find_all("a") if str(link.get("href")).startswith(("javascript:", "data:"))]


@every_page
def test_every_form_that_comes_back_to_us_carries_the_csrf_token(render: Render, sample: str) -> None:
    for form in render(sample).find_all("form"):
        fields = [field["value"] for field in form.find_all("input", attrs={"name": "csrf_token"})]
        assert form["method"] == "post"
        assert fields == ([] if form.get("id") == "form-post" else ["a-csrf-token"])


@every_page
def test_every_control_has_a_label(render: Render, sample: str) -> None:
    page = render(sample)
    for control in find_form_controls(page):
        assert len(page.find_all("label", attrs={"for": control["id"]})) == 1
    assert all(button.text.strip() for button in page.find_all("button"))


@every_page
def test_every_reference_to_an_id_has_its_target(render: Render, sample: str) -> None:
    page = render(sample)
    attributes = ("aria-labelledby", "aria-describedby", "aria-controls")
    named = [name for tag in page.find_all(True) for key in attributes for name in str(tag.get(key, "")).split()]
    anchors = [str(link["href"])[1:] for link in page.find_all("a", href=True) if str(link["href"]).startswith("#")]
    assert [name for name in named + anchors if page.find(id=name) is None] == []


def test_errors_are_summed_up_first_and_lead_to_their_fields(render: Render) -> None:
    page = render("login-errors")
    summary = page.find(id="error-summary")
    assert isinstance(summary, Tag)
    assert (summary["role"], summary["tabindex"], summary.has_attr("autofocus")) == ("alert", "-1", True)
    assert [link["href"] for link in summary.find_all("a")] == ["#username", "#password"]
    assert page.title is not None
    assert page.title.text.startswith("Error:")
    for field in page.select("#username, #password"):
        assert field["aria-invalid"] == "true"
        assert field["aria-describedby"] == f"{field['id']}-error"


def test_an_error_about_no_field_is_said_in_the_summary_and_marks_none(render: Render) -> None:
    page = render("login-refused")
    assert "Wrong." in page.select_one("#error-summary").text
    assert not page.select("[aria-invalid]")


@pytest.mark.parametrize("language", ["en", "fr"])
def test_the_name_of_a_client_is_text_and_never_markup(render: Render, language: str) -> None:
    page = render("consent-hostile", language)
    assert page.select_one("#consent-page .lead .name").text == HOSTILE
    assert page.find("b") is None


@pytest.mark.spec("OAuth 2.0 Form Post Response Mode", "2", "MUST")
def test_form_post_carries_every_value_to_the_client_unchanged(render: Render) -> None:
    form = render("form-post").find(id="form-post")
    assert isinstance(form, Tag)
    assert form["action"] == "https://rp.example/cb"
    assert {field["name"]: field["value"] for field in form.find_all("input")} == {"state": HOSTILE, "submit": "a"}


def test_the_request_to_sign_out_is_carried_through_its_question(render: Render) -> None:
    fields = {field["name"]: field["value"] for field in render("logout").select("form input")}
    assert fields == {"csrf_token": "a-csrf-token", "state": HOSTILE, "ui_locales": "fr"}


def test_what_is_new_is_marked_only_beside_what_was_allowed_before(render: Render) -> None:
    marked = render("consent-large").select("[data-scope]:has(.badge)")
    assert [each["data-scope"] for each in marked] == ["api:9", "api:10", "api:11"]


def test_the_home_page_of_production_shows_no_demo_data(render: Render) -> None:
    page = render("home-production")
    assert page.find(id="demo") is None
    assert page.find(id="open-playground") is None
    assert page.find(id="sign-out") is not None
