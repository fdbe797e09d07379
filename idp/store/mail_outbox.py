"""Mails on their way: a durable queue that several processes and instances empty together.

Whoever sends a mail claims it first, by one conditional UPDATE whose row count decides. A claim ends by itself, so that
a process that dies lets go of its mail; the number of tries belongs to the claim, so that whoever comes back late can
write nothing any more. What a mail says comes here encrypted (`idp.mail`) and is emptied when it has been sent.
"""

import threading
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, and_, bindparam, insert, or_, select, update

from idp.store.database import Database
from idp.store.tables import mail_outbox as table

NEVER = 2**62  # the next try of a mail that is not tried again
MAX_ERROR_LENGTH = 255


@dataclass(frozen=True, slots=True)
class OutgoingMail:
    """One row. Times are seconds since the epoch; `tries` counts the claims so far."""

    id: int
    template: str
    recipient: str
    sealed: str = field(repr=False)
    created_at: int
    next_try_at: int
    tries: int
    claimed_until: int
    sent_at: int | None
    failed_at: int | None
    last_error: str | None
    expires_at: int
    user_id: str | None = None

    @property
    def state(self) -> str:
        """`sent`, `failed`, `kept` (for a developer to read, never to be sent) or `waiting`."""
        if self.sent_at is not None:
            return "sent"
        if self.failed_at is not None:
            return "failed"
        return "kept" if self.next_try_at == NEVER else "waiting"


_UNTRIED = {"tries": 0, "claimed_until": 0, "sent_at": None}
_insert = insert(table)
_is_due = (table.c.next_try_at <= bindparam("now"), table.c.sent_at.is_(None), table.c.failed_at.is_(None))
_select_due = select(table).where(*_is_due).order_by(table.c.next_try_at, table.c.id).limit(bindparam("limit"))
_claim = (
    update(table)
    .where(table.c.id == bindparam("mail"), table.c.tries == bindparam("seen"), *_is_due)
    .values(tries=table.c.tries + 1, claimed_until=bindparam("until"), next_try_at=bindparam("until"))
)
_of_claim = (
    update(table)
    .where(table.c.id == bindparam("mail"), table.c.tries == bindparam("claim"))
    .where(table.c.sent_at.is_(None), table.c.failed_at.is_(None))
    .values(claimed_until=0)
)
_sent = _of_claim.values(sent_at=bindparam("now"), next_try_at=NEVER, last_error=None)
_sent_and_emptied = _sent.values(sealed="")
_failed = _of_claim.values(failed_at=bindparam("now"), next_try_at=NEVER, last_error=bindparam("why"), sealed="")
_postponed = _of_claim.values(next_try_at=bindparam("at"), last_error=bindparam("why"))
_kept = _of_claim.values(next_try_at=NEVER, last_error=None)


def mail_of(user_id: str, mailbox: str | None) -> ColumnElement[bool]:
    """The mails about this person, wherever they went, and those about nobody that went to their mailbox (the address
    as the outbox has it): they were sent before there was the account."""
    if mailbox is None:
        return table.c.user_id == user_id
    return or_(table.c.user_id == user_id, and_(table.c.recipient == mailbox, table.c.user_id.is_(None)))


class MailOutboxStore:
    """`added` is set whenever this process has added a mail; whoever sends them waits for it and clears it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.added = threading.Event()

    def add(
        self,
        template: str,
        recipient: str,
        sealed: str,
        *,
        now: int,
        expires_at: int,
        user_id: str | None = None,
        is_kept: bool = False,
        refused_why: str | None = None,
    ) -> int:
        """Queue a mail; its id. `user_id`: whom it is about. `is_kept`: it is not to be sent. `refused_why`: it cannot
        be, and counts as failed."""
        is_waiting = not is_kept and refused_why is None
        row = _UNTRIED | {
            "template": template,
            "recipient": recipient,
            "sealed": sealed if refused_why is None else "",
            "created_at": now,
            "next_try_at": now if is_waiting else NEVER,
            "failed_at": None if refused_why is None else now,
            "last_error": None if refused_why is None else refused_why[:MAX_ERROR_LENGTH],
            "expires_at": expires_at,
            "user_id": user_id,
        }
        with self._database.writing() as connection:
            inserted = connection.execute(_insert, row).inserted_primary_key
        if is_waiting:
            self.added.set()
        return int(inserted[0])  # type: ignore[index]

    def find_due(self, *, now: int, limit: int) -> list[OutgoingMail]:
        """Mails to be tried now, the longest waiting first. Anybody else may be about to claim them too."""
        with self._database.reading() as connection:
            rows = connection.execute(_select_due, {"now": now, "limit": limit}).all()
        return [OutgoingMail(*row) for row in rows]

    def claim(self, mail: OutgoingMail, *, now: int, until: int) -> int | None:
        """The number of this claim, for one caller only; None when somebody else was quicker.

        Until `until`, or until the caller says how it went, nobody else can claim this mail.
        """
        values = {"mail": mail.id, "seen": mail.tries, "now": now, "until": until}
        with self._database.writing() as connection:
            return mail.tries + 1 if connection.execute(_claim, values).rowcount == 1 else None

    def mark_sent(self, mail_id: int, claim: int, *, now: int, keep: bool = False) -> bool:
        """It has been handed over; what it says is forgotten unless `keep`. False: the claim was not ours any more."""
        statement = _sent if keep else _sent_and_emptied
        with self._database.writing() as connection:
            return connection.execute(statement, {"mail": mail_id, "claim": claim, "now": now}).rowcount == 1

    def mark_failed(self, mail_id: int, claim: int, why: str, *, now: int) -> bool:
        """It will never be sent; what it says is forgotten."""
        values = {"mail": mail_id, "claim": claim, "now": now, "why": why[:MAX_ERROR_LENGTH]}
        with self._database.writing() as connection:
            return connection.execute(_failed, values).rowcount == 1

    def postpone(self, mail_id: int, claim: int, why: str, *, until: int) -> bool:
        """Let go of it; it is due again at `until`."""
        values = {"mail": mail_id, "claim": claim, "at": until, "why": why[:MAX_ERROR_LENGTH]}
        with self._database.writing() as connection:
            return connection.execute(_postponed, values).rowcount == 1

    def mark_kept(self, mail_id: int, claim: int) -> bool:
        """Let go of it for good, unsent: there is no mail server, and a developer reads it."""
        with self._database.writing() as connection:
            return connection.execute(_kept, {"mail": mail_id, "claim": claim}).rowcount == 1

    def find(self, mail_id: int) -> OutgoingMail | None:
        with self._database.reading() as connection:
            row = connection.execute(select(table).where(table.c.id == mail_id)).one_or_none()
        return None if row is None else OutgoingMail(*row)

    def list(self, *, recipient: str | None = None, limit: int = 100) -> list[OutgoingMail]:
        """The newest first, of one recipient where it is given; never those that are for nobody."""
        query = select(table).where(table.c.recipient != "").order_by(table.c.id.desc()).limit(limit)
        if recipient is not None:
            query = query.where(table.c.recipient == recipient)
        with self._database.reading() as connection:
            return [OutgoingMail(*row) for row in connection.execute(query)]
