"""The built-in CAPTCHA: the browser finds numbers whose SHA-256 begins with zeros, which costs a program money.

Needs nobody else and works offline. A challenge is `<place>.<issued at>.<puzzles>.<bits>.<random>.<MAC>`, signed by the
server and stored nowhere; a proof is the challenge, `~`, and one decimal number for each puzzle, with commas between.
Number n solves puzzle i when SHA-256("<challenge>:<i>:<n>") begins with `bits` zero bits. Many small puzzles instead of
one large one: the time they take together hardly varies.

It does not tell a person from a program. It makes each try cost about a second of a phone.
"""

import hmac
import re
import secrets
from hashlib import sha256

from idp.captcha.plug import Asked, Outcome, Verdict, Widget
from idp.server import Server

FIELD = "proof"
LIFETIME = 1800  # seconds from the page to the form: nobody types for longer
CLOCK_SKEW = 60  # between the clocks of two instances
PURPOSE = "captcha"
PUZZLES, BITS = 16, 9  # about 8,000 hashes
_CHALLENGE = re.compile(
    r"(?P<place>[a-z_]{1,20})\.(?P<at>\d{1,12})\.(?P<puzzles>\d{1,3})\.(?P<bits>\d{1,2})\.[\w-]{22}", re.ASCII
)
_NUMBERS = re.compile(r"\d{1,10}(?:,\d{1,10}){0,127}", re.ASCII)
_SOURCES = {"worker-src": ("'self'",)}


class ProofOfWork:
    field = FIELD

    def make_widget(self, server: Server, place: str, now: int) -> Widget:
        text = f"{place}.{now}.{PUZZLES}.{BITS}.{secrets.token_urlsafe(16)}"
        challenge = f"{text}.{server.secret_box.derive(PURPOSE, text)}"
        return Widget(
            kind="proof_of_work",
            field=FIELD,
            place=place,
            sources=_SOURCES,
            is_posted_by_us=True,
            challenge=challenge,
            puzzles=PUZZLES,
            bits=BITS,
        )

    def judge(self, server: Server, asked: Asked) -> Verdict:
        challenge, _, numbers = asked.answer.partition("~")
        text, _, mac = challenge.rpartition(".")
        found = _CHALLENGE.fullmatch(text)
        if found is None or not _NUMBERS.fullmatch(numbers) or not _is_signed(server, text, mac):
            return Verdict(Outcome.FAILED, "not a challenge of ours")
        if found["place"] != asked.place:
            return Verdict(Outcome.FAILED, f"made for {found['place']}")
        age = asked.now - int(found["at"])
        if not -CLOCK_SKEW <= age <= LIFETIME:
            return Verdict(Outcome.FAILED, f"made {age} seconds ago")
        if not is_solved(challenge, numbers.split(","), int(found["puzzles"]), int(found["bits"])):
            return Verdict(Outcome.FAILED, "not solved")
        return Verdict(Outcome.PASSED, spends=(challenge, LIFETIME + CLOCK_SKEW))


def is_solved(challenge: str, numbers: list[str], puzzles: int, bits: int) -> bool:
    return len(numbers) == puzzles and all(
        leading_zero_bits(f"{challenge}:{index}:{number}") >= bits for index, number in enumerate(numbers)
    )


def leading_zero_bits(text: str) -> int:
    digest = sha256(text.encode("ascii")).digest()
    return 256 - int.from_bytes(digest, "big").bit_length()


def _is_signed(server: Server, text: str, mac: str) -> bool:
    expected = server.secret_box.derive_all(PURPOSE, text)
    return any(hmac.compare_digest(mac.encode(), each.encode()) for each in expected)


CAPTCHA = ProofOfWork()
