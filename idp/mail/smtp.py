"""Handing a mail to the mail server: SMTP (RFC 5321), STARTTLS (RFC 3207), TLS (RFC 8314), AUTH (RFC 4954), SMTPUTF8
(RFC 6531).

Owns which failure means what. Once the server may have seen a link, its own words are not repeated.
"""

import re
import smtplib
import ssl
import time
from contextlib import suppress
from email.message import EmailMessage
from types import TracebackType
from typing import Any, Self

from idp.outbound import FetchRefused, make_tls_context
from idp.settings import Settings

TIMEOUT_FACTOR = 3  # one answer of a mail server may take this many times IDP_OUTBOUND_TIMEOUT
ACCEPTING_SECONDS = 120  # it may look at a mail for this long before it takes it: giving up means sending it again
SLACK_SECONDS = 15


class MailRefused(Exception):
    """The server will never take this mail; the message says why, without anything of the mail."""


class NotNow(Exception):
    """The server did not take this mail now; another mail may fare better."""


class ServerUnavailable(Exception):
    """No mail can be sent at the moment."""


def claim_seconds(settings: Settings) -> int:
    """How long one delivery may take in all, so that nobody else begins the same one meanwhile."""
    return int(settings.outbound_timeout * TIMEOUT_FACTOR + 3 * ACCEPTING_SECONDS + SLACK_SECONDS)


class _Client(smtplib.SMTP):
    """smtplib's, which gives up before the mail itself is sent when everything before it took too long.

    `data` waits at most three times ACCEPTING_SECONDS: for the word to begin, for room to send, for the last answer.
    """

    deadline = 0.0

    def data(self, msg: Any) -> tuple[int, bytes]:
        if time.monotonic() > self.deadline:
            raise TimeoutError
        if self.sock is None:
            raise smtplib.SMTPServerDisconnected("not connected")
        self.sock.settimeout(ACCEPTING_SECONDS)
        try:
            return super().data(msg)
        finally:
            if self.sock is not None:
                self.sock.settimeout(self.timeout)


class _TlsClient(_Client, smtplib.SMTP_SSL):
    """The same, with TLS from the first byte."""


class SmtpConnection:
    """A connection that is opened for the first mail and serves those that follow. Close it, or use it in `with`."""

    def __init__(self, settings: Settings, *, local_name: str) -> None:
        self._settings, self._local_name = settings, local_name
        self._timeout = settings.outbound_timeout * TIMEOUT_FACTOR
        self._client: _Client | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with suppress(smtplib.SMTPException, OSError):
                client.quit()
            client.close()

    def check(self) -> None:
        """Greeting, TLS and sign-in, without a mail. Raises ServerUnavailable."""
        self._opened()

    def send(self, message: EmailMessage, recipient: str) -> None:
        """Returns when the server has taken the mail. Raises MailRefused, NotNow or ServerUnavailable."""
        deadline = time.monotonic() + self._timeout
        client = self._opened()
        client.deadline = deadline
        try:
            client.send_message(message, self._settings.mail_from, [recipient])
        except smtplib.SMTPRecipientsRefused as error:
            code, words = next(iter(error.recipients.values()))
            raise _judged(code, f"The recipient was refused: {_answer(code, words)}") from None
        except smtplib.SMTPNotSupportedError:
            raise MailRefused("The mail server does not know international addresses (SMTPUTF8).") from None
        except smtplib.SMTPDataError as error:
            why = f"The mail was refused: {_codes(error.smtp_code, error.smtp_error)}"
            raise _judged(error.smtp_code, why) from None
        except smtplib.SMTPSenderRefused as error:  # a mistake in our settings is mended there, so it is tried again
            self.close()
            raise ServerUnavailable(f"The sender was refused: {_answer(error.smtp_code, error.smtp_error)}") from None
        except (smtplib.SMTPException, OSError) as error:
            self._drop()
            raise NotNow(f"The connection broke: {_reason(error)}") from None
        finally:
            if client.sock is None:  # smtplib hangs up after a 421 (RFC 5321 §3.8)
                self._drop()

    def _opened(self) -> _Client:
        if self._client is not None:
            return self._client
        settings = self._settings
        if settings.smtp_host is None:
            raise ServerUnavailable("There is no mail server (IDP_SMTP_HOST).")
        where = f"{settings.smtp_host}:{settings.smtp_port}"
        try:
            self._client = self._open(settings.smtp_host)
        except smtplib.SMTPAuthenticationError as error:
            raise ServerUnavailable(f"{where} refused the sign-in: {_codes(error.smtp_code, b'')}") from None
        except smtplib.SMTPNotSupportedError:
            raise ServerUnavailable(f"{where} does not offer what the settings ask for (STARTTLS, AUTH).") from None
        except FetchRefused as error:
            raise ServerUnavailable(f"IDP_OUTBOUND_CA_BUNDLE: {error}") from None
        except UnicodeError:  # smtplib signs in with ASCII alone
            raise ServerUnavailable(f"{where} cannot be used: IDP_SMTP_USERNAME and _PASSWORD must be ASCII.") from None
        except (smtplib.SMTPException, OSError) as error:
            raise ServerUnavailable(f"{where} cannot be used: {_reason(error)}") from None
        return self._client

    def _open(self, host: str) -> _Client:
        settings = self._settings
        wants_tls = settings.smtp_security != "none"
        context = make_tls_context(settings.outbound_ca_bundle) if wants_tls else None
        options: dict[str, Any] = {"local_hostname": self._local_name, "timeout": self._timeout}
        if settings.smtp_security == "tls":
            client: _Client = _TlsClient(host, settings.smtp_port, context=context, **options)
        else:
            client = _Client(host, settings.smtp_port, **options)
        try:
            if settings.smtp_security == "starttls":
                client.starttls(context=context)
            client.ehlo_or_helo_if_needed()
            if settings.smtp_username is not None:
                client.login(settings.smtp_username, settings.smtp_password or "")
        except BaseException:
            client.close()
            raise
        return client

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()


def _judged(code: int, why: str) -> Exception:
    return MailRefused(why) if 500 <= code < 600 else NotNow(why)


def _answer(code: int, words: bytes) -> str:
    """What the server said before it saw the mail: one short line, without addresses, since it goes into the log."""
    said = words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words)
    said = re.sub(r"\S*@\S*", "…", said)
    return f"{code} {' '.join(''.join(c if c.isprintable() else ' ' for c in said).split())}"[:160].strip()


def _codes(code: int, words: bytes | str) -> str:
    """The numbers of an answer alone (RFC 3463): its words might repeat what the mail says."""
    said = words.decode("ascii", "replace") if isinstance(words, bytes) else words
    first = said.split(None, 1)[0] if said.strip() else ""
    is_enhanced = first.count(".") == 2 and first.replace(".", "").isdigit()
    return f"{code} {first}" if is_enhanced and len(first) <= 12 else str(code)


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):  # smtplib says: disconnected
        return "it does not answer in time"
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return "it hung up"
    if isinstance(error, smtplib.SMTPResponseException):
        return _codes(error.smtp_code, b"")
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
