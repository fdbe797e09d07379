"""Mail to people: written here, kept in a durable outbox, sent by SMTP beside the requests (RFC 5321, RFC 5322).

Owns TEMPLATES, the wording of mails (`templates/mail`), the message, and its delivery. In the order a mail takes:
`kinds` (what there is), `rendering` (in the language of the person), `outbox` (encrypted, into the database; a page
never waits for a mail server), `mailer` (the thread that empties it), `message`, `smtp`. Nothing of what a mail says
is ever logged.
"""

from idp.mail.kinds import TEMPLATES
from idp.mail.outbox import MailParts, Parts, read_mail, send_mail

__all__ = ["TEMPLATES", "MailParts", "Parts", "read_mail", "send_mail"]
