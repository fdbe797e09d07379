"""Which settings of mail are refused, and what is said at the start of a server that people will miss something on."""

import pytest

from idp.settings import ConfigurationError, load_settings
from idp.settings.mail import mail_warnings

SECRET = "kP3vN8xQ2mZ7rT5wY1cB6dF9gH4jL0sA"
PRODUCTION = {"IDP_ENV": "production", "IDP_ISSUER": "https://id.example.com", "IDP_SECRET_KEY": SECRET}
WITH_MAIL = PRODUCTION | {"IDP_SMTP_HOST": "mail.example.com", "IDP_MAIL_FROM": "id@example.com"}


def problems_of(environment: dict[str, str]) -> list[str]:
    try:
        load_settings(environment, None)
    except ConfigurationError as error:
        return error.problems
    return []


def warnings_of(environment: dict[str, str]) -> list[str]:
    return list(mail_warnings(load_settings(environment, None)))


@pytest.mark.parametrize(
    "host", ["mail.example.com", "10.0.0.1", "mailhog", "127.0.0.1.example.com", "localhost.example.com"]
)
def test_production_sends_nothing_in_clear_to_another_machine(host: str) -> None:
    wrong = {"IDP_SMTP_HOST": host, "IDP_SMTP_SECURITY": "none"}
    [problem] = problems_of(WITH_MAIL | wrong)
    assert problem.startswith("IDP_SMTP_SECURITY is none; production needs starttls or tls")
    assert problems_of({"IDP_SECRET_KEY": SECRET} | wrong) == []


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_on_this_machine_mail_may_go_in_clear(host: str) -> None:
    assert problems_of(WITH_MAIL | {"IDP_SMTP_HOST": host, "IDP_SMTP_SECURITY": "none"}) == []


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("IDP_MAIL_FROM", "Harbour <id@example.com>"),
        ("IDP_MAIL_FROM", "id"),
        ("IDP_MAIL_FROM", "a@example.com,b@example.com"),
        ("IDP_MAIL_FROM", "<id@example.com"),
        ("IDP_MAIL_FROM", "id@example.com\r\nBcc: eve@example.com"),
        ("IDP_MAIL_FROM", "zoë@example.com"),
        ("IDP_MAIL_REPLY_TO", "help"),
        ("IDP_MAIL_REPLY_TO", "help@example..com"),
        ("IDP_SMTP_HOST", "mail.example.com:587"),
        ("IDP_SMTP_HOST", "smtp://mail.example.com"),
        ("IDP_SMTP_HOST", "mail example"),
        ("IDP_SMTP_PORT", "0"),
        ("IDP_SMTP_PORT", "smtp"),
        ("IDP_SMTP_SECURITY", "ssl"),
        ("IDP_SMTP_USERNAME", "zoë"),
    ],
)
def test_what_cannot_work_is_refused_by_name_at_the_start(variable: str, value: str) -> None:
    problems = problems_of(WITH_MAIL | {variable: value})
    assert [problem for problem in problems if problem.startswith(variable)], problems


def test_a_password_needs_a_name_and_neither_is_repeated() -> None:
    assert problems_of(WITH_MAIL | {"IDP_SMTP_PASSWORD": "hidden"}) == [
        "IDP_SMTP_PASSWORD is set without IDP_SMTP_USERNAME."
    ]
    [problem] = problems_of(WITH_MAIL | {"IDP_SMTP_USERNAME": "idp", "IDP_SMTP_PASSWORD": "hiddén"})
    assert problem.startswith("IDP_SMTP_PASSWORD must be ASCII")
    assert "hidd" not in problem


def test_a_start_without_a_mail_server_is_warned_about_where_people_need_mails() -> None:
    assert "IDP_SMTP_HOST is not set" in warnings_of(PRODUCTION)[0]
    assert warnings_of(WITH_MAIL) == []
    without = PRODUCTION | {"IDP_LOCAL_PASSWORDS": "false", "IDP_SIGN_UP": "closed"}
    assert warnings_of(without) == []
    assert warnings_of({}) == []


def test_a_sender_at_localhost_and_the_port_of_tls_without_tls_are_warned_about() -> None:
    assert "IDP_MAIL_FROM is still idp@localhost" in warnings_of(WITH_MAIL | {"IDP_MAIL_FROM": ""})[0]
    assert "IDP_SMTP_SECURITY=tls" in warnings_of(WITH_MAIL | {"IDP_SMTP_PORT": "465"})[0]
    assert warnings_of(WITH_MAIL | {"IDP_SMTP_PORT": "465", "IDP_SMTP_SECURITY": "tls"}) == []
