"""What every page promises, whoever fills it: its markup, its forms, and that nothing in it is inline."""

from collections.abc import Callable
from pathlib import Path

import pytest
from bs4 import BeautifulSoup, Tag

import idp
from tests.pages.samples import HOSTILE, SAMPLES, make_samples_app

TEMPLATES = Path(idp.__file__).parent / "templates" / "pages"
NAMES = ("google", "facebook", "discord", "apple", "github", "microsoft")
CONTROLS = {
    "login": ["username", "password", "login", "to-recover", "to-sign-up", "cancel"],
    "login-refused": ["client-logo", "client-policy", "client-tos"],
    "login-providers": ["login", "cancel", *(f"continue-with-{name}" for name in NAMES)],
    "login-providers-only": ["cancel", *(f"continue-with-{name}" for name in NAMES)],
    "sign-up": ["given_name", "username", "email", "password", "password_again", "sign-up", "to-login"],
    "sign-up-invited": ["sign-up", "to-login"],
    "confirm": ["code", "confirm", "check", "again"],
    "confirm-link": ["confirm"],
    "confirm-done": ["check"],
    "recover": ["email", "recover", "to-login"],
    "reset": ["password", "password_again", "show-password", "reset"],
    "message": ["next"],
    "conflict": ["way-password", "way-github", "cancel"],
    "conflict-unnamed": ["way-password", "start-new", "cancel"],
    "conflict-can-link": ["link-account", "way-password"],
    "link": ["link", "skip"],
    "trouble": ["try-again", "another-way"],
    "trouble-dead-end": ["back-to-client"],
    "account": ["sign-out", "unlink-google", *(f"link-{name}" for name in NAMES[1:])],
    "account-waiting": ["sign-in-again", "link-waiting", "skip-waiting"],
    "account-profile": ["nav-profile", "menu-profile", "given_name", "username", "picture", "locale", "save"],
    "account-email": ["email", "change-email"],
    "account-email-stale": ["sign-in-again"],
    "account-email-confirm": ["code", "confirm", "again"],
    "account-email-undo": ["undo"],
    "account-password": ["current_password", "password", "password_again", "end_others", "change-password"],
    "account-factors": ["set-up-totp", "remove-totp", "open-passkeys", "open-recovery-codes"],
    "account-sessions": ["this-session", "sign-out", "end-session-2", "end-others", "end-trust-1"],
    "account-apps": ["withdraw-1"],
    "home-production": ["open-account", "sign-out"],
    "home-admin": ["open-account", "open-admin", "sign-out"],
    "admin-clients": ["client-1", "client-2"],
    "admin-client": ["to-clients", "copy-1", "copy-2"],
    "select-account": ["continue", "switch"],
    "consent": ["allow", "deny", "switch", "client-logo", "client-policy", "client-tos"],
    "logout": ["logout", "stay"],
    "form-post": ["form-post", "continue"],
    "playground": ["start", "scope", "prompt", "max_age", "login_hint", "claims", "resource", "response_mode"],
    "playground-result": ["step-token", "refresh", "introspect", "revoke", "userinfo", "sign-out"],
}

Render = Callable[..., BeautifulSoup]
every_page = pytest.mark.parametrize("sample", SAMPLES)


PROVIDERS_FIELDS = {"csrf_token": "a-csrf-token", "interaction": "i-1", "to": ""}


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


def press(page: BeautifulSoup, control: str) -> tuple[str, dict[str, str]]:
    """Where a button leads and what it sends, as a browser without scripts would."""
    button = page.find(id=control)
    assert isinstance(button, Tag)
    form = button.find_parent("form")
    assert isinstance(form, Tag)
    fields = {str(field["name"]): str(field["value"]) for field in form.find_all("input", type="hidden")}
    return str(form["action"]), fields | ({str(button["name"]): str(button["value"])} if button.get("name") else {})


def has(page: BeautifulSoup, *controls: str) -> list[bool]:
    return [page.find(id=control) is not None for control in controls]


def find_link(page: BeautifulSoup, control: str) -> tuple[str, str]:
    """Where a link leads, and its text."""
    link = page.find("a", id=control)
    assert isinstance(link, Tag)
    return str(link["href"]), " ".join(link.get_text().split())


def read(page: BeautifulSoup, selector: str) -> str:
    """The text there, without its markup."""
    found = page.select_one(selector)
    assert found is not None
    return " ".join(found.get_text().split())


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
    links = [link for link in page.find_all("a") if str(link.get("href")).startswith(("javascript:", "data:"))]
    assert all(str(link["href"]).startswith("data:text/plain") and link.get("download") for link in links)


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


@pytest.mark.asvs("6.2.6", "6.2.7")
def test_every_password_is_masked_and_open_to_password_managers(render: Render) -> None:
    """What the managers go by: `autocomplete` with the right word, and a user name beside it in the same form."""
    seen = set()
    for sample in SAMPLES:
        for field in render(sample).select("main input[id*=password]"):
            name, form = str(field["name"]), field.find_parent("form")
            assert form is not None
            is_new = name != "current_password" and form.find(id="password_again") is not None
            told = (field["type"], field["autocomplete"])
            assert told == ("password", "new-password" if is_new else "current-password"), (sample, name)
            assert not {"maxlength", "pattern", "readonly", "disabled"} & field.attrs.keys(), (sample, name)
            assert form.select("[autocomplete^=username]"), sample
            seen.add(name)
    assert seen == {"password", "password_again", "current_password"}


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


@pytest.mark.parametrize("sample", ["login-providers", "login-providers-only"])
def test_each_provider_is_a_form_of_its_own_that_carries_the_request_on(render: Render, sample: str) -> None:
    page = render(sample)
    assert [press(page, f"continue-with-{name}") for name in NAMES] == [
        (f"/upstream/{name}", PROVIDERS_FIELDS) for name in NAMES
    ]
    assert read(page, "#continue-with-github .provider-text") == "Continue with GitHub"


def test_the_sign_in_for_the_account_page_says_so_in_every_form(render: Render) -> None:
    page = render("login-many-providers")
    assert len(page.find_all("form")) == 14
    assert [field["value"] for field in page.select("input[name=to]")] == ["account"] * 14


def test_providers_come_after_the_password_and_are_announced(render: Render) -> None:
    page = render("login-providers")
    order = [tag["id"] for tag in page.select("#login, #providers-title, #continue-with-google, #cancel")]
    assert order == ["login", "providers-title", "continue-with-google", "cancel"]
    assert read(page, "#providers-title .visually-hidden") == "Or sign in with an account you have elsewhere"


def test_without_providers_there_is_nothing_to_divide(render: Render) -> None:
    assert has(render("login"), "providers", "providers-title", "unproven", "no-way-in") == [False] * 4


def test_a_deployment_without_local_passwords_asks_for_none(render: Render) -> None:
    page = render("login-providers-only")
    assert has(page, "username", "password", "login") == [False] * 3
    assert press(page, "cancel") == ("/here", PROVIDERS_FIELDS | {"cancel": "1"})


def test_a_page_without_any_way_in_says_so(render: Render) -> None:
    assert "no way to sign in" in read(render("login-no-way"), "#no-way-in")


def test_providers_that_cannot_confirm_anew_are_named_in_one_sentence(render: Render) -> None:
    assert read(render("login-providers"), "#unproven").endswith("not possible with Apple, GitHub.")


def test_a_conflict_names_the_ways_in_and_says_what_comes_after(render: Render) -> None:
    page = render("conflict")
    assert read(page, "#conflict-page .lead") == "There is already an account with ada@example.org."
    assert find_link(page, "way-password") == ("/login", "Your password")
    assert press(page, "way-github") == ("/upstream/github", PROVIDERS_FIELDS)
    assert read(page, "section .hint") == "After that you can link Google, and use both from then on."
    assert has(page, "link-account", "start-new") == [False, False]


def test_a_conflict_that_may_not_name_the_ways_in_names_none(render: Render) -> None:
    page = render("conflict-unnamed")
    assert has(page, "way-github", "way-acme") == [False, False]
    assert "GitHub" not in page.text
    assert "password" not in read(page, "main").lower()
    assert read(page, "#way-password") == "Sign in"


@pytest.mark.parametrize(
    ("sample", "control", "choice"),
    [
        ("conflict-everything", "link-account", "link"),
        ("conflict-everything", "start-new", "new"),
        ("conflict-everything", "cancel", "cancel"),
        ("link", "link", "link"),
        ("link", "skip", "skip"),
    ],
)
def test_every_answer_about_a_link_carries_what_is_pending(
    render: Render, sample: str, control: str, choice: str
) -> None:
    address, fields = press(render(sample), control)
    assert address == "/here"
    expected = {"csrf_token": "a-csrf-token", "interaction": "i-1", "pending": "p-1", "choice": choice}
    assert fields == expected | ({"to": ""} if sample.startswith("conflict") else {"account": "ada"})


def test_an_account_is_shown_only_to_whom_it_may_be_linked(render: Render) -> None:
    assert "Ada Lovelace" in read(render("conflict-can-link"), "form:has(#link-account)")
    assert render("conflict").select(".account") == []


def test_without_a_client_there_is_nothing_to_cancel_or_go_on_to(render: Render) -> None:
    assert has(render("conflict-can-link"), "cancel") == [False]
    assert render("link-right-to-left").select("#link-page .aside") == []


def test_trouble_offers_to_try_again_first_and_another_way_next(render: Render) -> None:
    page = render("trouble")
    assert press(page, "try-again") == ("/upstream/google", PROVIDERS_FIELDS)
    assert find_link(page, "another-way") == ("/login?interaction=i-1", "Sign in another way")
    assert [control["id"] for control in page.select("main .primary")] == ["try-again"]
    assert [control["id"] for control in render("trouble-no-retry").select("main .primary")] == ["another-way"]


@pytest.mark.parametrize("sample", ["trouble", "trouble-no-retry"])
def test_trouble_sends_nobody_away_while_a_way_is_left(render: Render, sample: str) -> None:
    assert has(render(sample), "back-to-client") == [False]


def test_trouble_on_the_way_from_the_account_page_leads_back_there(render: Render) -> None:
    page = render("trouble-account")
    assert find_link(page, "another-way") == ("/account", "Go to your account")


def test_a_link_from_the_account_page_says_that_it_is_one(render: Render) -> None:
    expected = {"csrf_token": "a-csrf-token", "account": "ada", "link": "1"}
    assert press(render("account"), "link-discord") == ("/upstream/discord", expected)


def test_a_way_in_is_unlinked_by_its_key(render: Render) -> None:
    page = render("account-hard")
    assert press(page, "unlink-3") == ("/account/unlink", {"csrf_token": "a-csrf-token", "key": "k-3"})
    assert HOSTILE in read(page, "#unlink-2")  # which one it is, for whoever hears the buttons alone
    assert [badge.text for badge in page.select("#methods .badge")] == ["Not offered any more"]


def test_the_only_way_in_has_a_sentence_instead_of_a_button(render: Render) -> None:
    page = render("account-one-way")
    assert has(page, "unlink-google", "method-password", "offers") == [False] * 3
    assert "your only way to sign in" in read(page, "#methods")


def test_ways_in_are_changed_only_after_a_fresh_sign_in(render: Render) -> None:
    page = render("account-waiting")
    assert find_link(page, "sign-in-again") == ("/login?to=account", "Sign in again")
    assert has(page, "unlink-google", "offers", "link-facebook") == [False] * 3
    assert has(render("account"), "sign-in-again") == [False]


def test_a_sign_in_that_waits_to_be_linked_can_be_linked_or_left(render: Render) -> None:
    page = render("account-waiting")
    expected = {"csrf_token": "a-csrf-token", "account": "ada", "pending": "p-1"}
    assert press(page, "link-waiting") == ("/account/link", expected | {"choice": "link"})
    assert press(page, "skip-waiting") == ("/account/link", expected | {"choice": "skip"})


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("sample", ["link-hostile", "login-many-providers", "account-hard"])
def test_the_name_of_a_provider_is_text_and_never_markup(render: Render, sample: str, language: str) -> None:
    page = render(sample, language)
    assert page.find("b") is None
    assert page.find_all(onclick=True) == []


def test_the_title_of_a_page_has_a_providers_name_as_it_is(render: Render) -> None:
    page = render("link-hostile")
    assert page.title is not None
    assert page.title.text.startswith(f"Link {HOSTILE} to your account?")


def test_only_who_is_signed_in_is_led_to_the_account(render: Render) -> None:
    assert has(render("home"), "open-account") == [False]
    assert find_link(render("home-production"), "open-account") == ("/account", "Your account")
