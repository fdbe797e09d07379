"""Recovery codes: ten codes of 120 random bits each, for whoever has lost the other factors (ASVS 6.5.1 to 6.5.3).

They are shown once, when they are made, and kept as hashes. With so many bits nobody guesses one, so that tries need no
limit of their own, and whoever has them is never locked out by a stranger's wrong codes.
"""

import secrets
from base64 import b32encode

from idp.server import Server

COUNT = 10
RANDOM_BYTES = 15
CHARACTERS = RANDOM_BYTES * 8 // 5
GROUP = 4
FEW = 3  # the person is reminded to make new ones
_LOOK_ALIKES = str.maketrans("018", "OIB")  # base32 has none of the three


def make_codes(server: Server, user_id: str, *, now: int) -> list[str]:
    """A new set, as people read it; the old one is void."""
    codes = [b32encode(secrets.token_bytes(RANDOM_BYTES)).decode("ascii") for _ in range(COUNT)]
    server.store.recovery_codes.replace_all(user_id, codes, now=now)
    return ["-".join(code[start : start + GROUP] for start in range(0, CHARACTERS, GROUP)) for code in codes]


def claim_code(server: Server, user_id: str, typed: str, *, now: int) -> bool:
    """Use a code, however it is typed; once among all who try."""
    code = "".join(character for character in typed[:200].upper() if character.isalnum()).translate(_LOOK_ALIKES)
    if len(code) != CHARACTERS or not code.isascii():
        return False
    return server.store.recovery_codes.claim(user_id, code, now=now)
