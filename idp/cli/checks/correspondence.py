"""Mail and CAPTCHA: the services of others that a form depends on, asked without sending a mail or solving a test."""

from collections.abc import Iterator, Sequence

from idp.captcha import CAPTCHAS
from idp.captcha.siteverify import Unavailable, Unintelligible, ask
from idp.captcha.vendor import Vendor
from idp.cli.checks.finding import Finding, counted, warning, well, wrong
from idp.cli.checks.subject import Subject
from idp.mail.smtp import TIMEOUT_FACTOR, ServerUnavailable, SmtpConnection
from idp.settings import Settings
from idp.settings.mail import mail_warnings
from idp.store.mail_outbox import OutgoingMail

DAY = 86_400
LATE_SECONDS = 600
MAILS = 1000  # of which is told
WRONG_SECRET = frozenset({"missing-input-secret", "invalid-input-secret", "sitekey-secret-mismatch"})


def examine_mail(subject: Subject) -> Iterator[Finding]:
    settings = subject.settings
    for sentence in mail_warnings(settings):
        yield warning("mail", sentence)
    if settings.smtp_host is not None:
        yield _ask_mail_server(settings, subject.timeout) if not subject.offline else _unasked(settings)
    elif not settings.is_production:
        yield well("mail", "There is no mail server; development keeps mails and shows them at /dev/mail.")
    if subject.store is not None:
        yield from _examine_outbox(subject.store.mail_outbox.list(limit=MAILS), subject.now)


def _unasked(settings: Settings) -> Finding:
    return well("mail", f"{settings.smtp_host}:{settings.smtp_port} is set; it was not asked.")


def _ask_mail_server(settings: Settings, timeout: float) -> Finding:
    quick = settings.model_copy(update={"outbound_timeout": timeout / TIMEOUT_FACTOR})
    name = settings.mail_from.rpartition("@")[2]
    try:
        with SmtpConnection(quick, local_name=name) as connection:
            connection.check()
    except ServerUnavailable as error:
        return wrong("mail", f"{error} No mail leaves until that is mended; see IDP_SMTP_….")
    how = {"starttls": "STARTTLS", "tls": "TLS", "none": "no encryption"}[settings.smtp_security]
    signed_in = " and takes the sign-in" if settings.smtp_username is not None else ""
    where = f"{settings.smtp_host}:{settings.smtp_port}"
    return well("mail", f"{where} answers with {how}{signed_in}. To see one arrive: idp mail test ADDRESS")


def _examine_outbox(mails: Sequence[OutgoingMail], now: int) -> Iterator[Finding]:
    failed = [mail for mail in mails if mail.state == "failed" and now - (mail.failed_at or 0) < DAY]
    late = [mail for mail in mails if mail.state == "waiting" and now - mail.created_at > LATE_SECONDS]
    if failed:
        why = failed[0].last_error or "no reason"
        number = counted(len(failed), "mail")
        yield warning("mail", f"{number} not delivered in the last day; the latest: {why} See: idp mail list")
    if late:
        minutes = (now - min(mail.created_at for mail in late)) // 60
        why = next((f" The last try: {mail.last_error}" for mail in late if mail.last_error), "")
        yield wrong(
            "mail", f"{counted(len(late), 'mail')} waiting, for {minutes} minutes by now; no server sends them.{why}"
        )


def examine_captcha(subject: Subject) -> Iterator[Finding]:
    settings = subject.settings
    if settings.captcha == "none":
        if settings.is_production and settings.offers_sign_up:
            yield warning(
                "captcha",
                "Anybody may sign up, and nothing keeps programs out: try IDP_CAPTCHA=proof_of_work.",
            )
        return
    captcha = CAPTCHAS[settings.captcha]
    if not isinstance(captcha, Vendor):
        yield well("captcha", "The built-in one needs nobody else.")
    elif settings.captcha_secret_key in captcha.test_secrets:
        result = wrong if settings.is_production else warning
        yield result("captcha", "IDP_CAPTCHA_SECRET_KEY is a published test key, which lets every program through.")
    elif not subject.offline:
        yield _ask_vendor(settings.model_copy(update={"outbound_timeout": subject.timeout}), captcha)


def _ask_vendor(settings: Settings, vendor: Vendor) -> Finding:
    """An answer that nobody has solved: the vendor must say no to it, and not to our secret."""
    form = {"secret": settings.captcha_secret_key or "", "response": "doctor"}
    then = "people pass without a test" if settings.captcha_when_down == "open" else "nobody passes"
    try:
        answer = ask(settings, settings.captcha_verify_url or vendor.verify_url, form)
    except (Unavailable, Unintelligible) as error:
        return wrong("captcha", f"{vendor.kind} cannot be asked ({error}), and meanwhile {then}.")
    codes = answer.get("error-codes")
    if isinstance(codes, list) and not WRONG_SECRET.isdisjoint(map(str, codes)):
        return wrong("captcha", f"{vendor.kind} does not know IDP_CAPTCHA_SECRET_KEY, and so {then}.")
    if answer.get("success") is True:
        return wrong("captcha", f"{vendor.kind} takes any answer for a right one: its keys are for tests.")
    return well("captcha", f"{vendor.kind} answers, and knows our secret.")
