"""The thread of each worker process that empties the outbox.

Owns when a mail is tried again and when it is given up. It asks the database every two seconds (one look-up in an
index) and at once when this process has added a mail. While the mail server cannot be used, it waits instead of trying
one mail after the other. Two copies of a mail can only come of a process that dies, or loses the database for minutes,
between the mail server's 250 and the note of it.
"""

import random
import threading
from collections.abc import Callable

import structlog

from idp import audit
from idp.jose.encryption import DecryptionFailed
from idp.mail.message import Sender, make_message
from idp.mail.outbox import read_mail
from idp.mail.smtp import MailRefused, NotNow, ServerUnavailable, SmtpConnection, claim_seconds
from idp.server import Server
from idp.settings import Settings
from idp.settings.mail import mail_warnings
from idp.store.mail_outbox import OutgoingMail

POLL_SECONDS = 2.0
BATCH = 20
PAUSE_SECONDS = 10.0  # after the mail server could not be used
STOP_SECONDS = 8.0  # for the mail that is being handed over when the process ends; gunicorn waits for ten
NOTE_WAITS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)  # between tries to note that a mail was taken
BACK_OFF = (30, 120, 600, 1800, 3600)  # seconds after the first, second, … try; the last one repeats
_log = structlog.get_logger("idp.mail")


class Mailer:
    """`start` and `stop` once each, in the process that sends."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mailer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, patience: float = STOP_SECONDS) -> None:
        """No further mail is begun; the one that is being handed over may finish within `patience` seconds."""
        self._ends.set()
        self._server.store.mail_outbox.added.set()
        self._thread.join(patience)

    def _run(self) -> None:
        added = self._server.store.mail_outbox.added
        while not self._ends.is_set():
            added.wait(POLL_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311  # not for security
            added.clear()
            try:
                is_well = deliver_due(self._server, has_ended=self._ends.is_set)
            except Exception:
                _log.exception("Sending mail failed; it is tried again.")
                is_well = False
            if not is_well:
                self._ends.wait(PAUSE_SECONDS)


def deliver_due(server: Server, *, has_ended: Callable[[], bool] = lambda: False) -> bool:
    """Try every mail that is due, once; whether the mail server could be used, as far as it was needed."""
    with SmtpConnection(server.settings, local_name=_sender(server).host) as connection:
        while not has_ended():
            due = server.store.mail_outbox.find_due(now=server.clock(), limit=BATCH)
            random.shuffle(due)  # or several processes would go for the same one each time
            for mail in due:
                if has_ended() or not _deliver(server, mail, connection):
                    return has_ended()
            if len(due) < BATCH:
                return True
    return True


def _deliver(server: Server, mail: OutgoingMail, connection: SmtpConnection) -> bool:
    """One mail, if nobody else has it; False when the mail server could not be used."""
    outbox, now = server.store.mail_outbox, server.clock()
    claim = outbox.claim(mail, now=now, until=now + claim_seconds(server.settings))
    if claim is None:
        return True
    if mail.expires_at <= now:
        _give_up(server, mail, claim, f"Not delivered in its time. {mail.last_error or ''}".strip())
        return True
    if server.settings.smtp_host is None and not server.settings.is_production:
        outbox.mark_kept(mail.id, claim)
        return True
    try:
        rendered = read_mail(server, mail)
        if rendered is None:
            raise MailRefused("There is nothing in it.")
        connection.send(make_message(_sender(server), mail, rendered), mail.recipient)
    except (MailRefused, DecryptionFailed, ValueError) as error:
        _give_up(server, mail, claim, _why(error))
        return True
    except (NotNow, ServerUnavailable) as error:
        _postpone(server, mail, claim, str(error))
        return isinstance(error, NotNow)
    _note_sent(server, mail, claim)
    return True


def _sender(server: Server) -> Sender:
    return Sender(server.settings, server.secret_box)


def _why(error: Exception) -> str:
    if isinstance(error, DecryptionFailed):
        return "It was encrypted under another IDP_SECRET_KEY."
    return str(error) if isinstance(error, MailRefused) else "It cannot be written as a mail."


def _note_sent(server: Server, mail: OutgoingMail, claim: int) -> None:
    """Within the claim, again and again: until it is noted, another process would send it a second time."""
    for wait in (*NOTE_WAITS, None):
        try:
            server.store.mail_outbox.mark_sent(
                mail.id, claim, now=server.clock(), keep=not server.settings.is_production
            )
            break
        except Exception:
            if wait is None:
                raise
            threading.Event().wait(wait)
    _log.info("mail.sent", mail=mail.id, template=mail.template, tries=claim)


def _postpone(server: Server, mail: OutgoingMail, claim: int, why: str) -> None:
    now = server.clock()
    until = min(now + back_off(claim), max(mail.expires_at, now + 1))  # at its end it is given up
    server.store.mail_outbox.postpone(mail.id, claim, why, until=until)
    _log.warning("mail.postponed", mail=mail.id, template=mail.template, tries=claim, why=why)


def _give_up(server: Server, mail: OutgoingMail, claim: int, why: str) -> None:
    now = server.clock()
    if server.store.mail_outbox.mark_failed(mail.id, claim, why, now=now):
        audit.record(server, audit.Event.MAIL_FAILED, now=now, mail=mail.id, template=mail.template, why=why)


def back_off(tries: int) -> int:
    """Seconds to wait after this many tries."""
    return BACK_OFF[min(tries, len(BACK_OFF)) - 1]


def warn_about_mail(settings: Settings) -> None:
    """At the start of a server: what people will miss, or what a mail server will not like."""
    for warning in mail_warnings(settings):
        _log.warning(warning)
