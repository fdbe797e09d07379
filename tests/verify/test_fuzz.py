"""Whatever the text, a verifier answers with a token or with InvalidToken, and never with another error."""

import random

import pytest

from idp_verify import InvalidToken
from tests.verify.issuer import Issuer

ROUNDS = 3000
ALPHABET = 'AZaz09-_.=+/ \n\0é{}[]"'
ODD_VALUES = (None, True, -1, 0, 1.5, 10**400, -(10**400), "", "x", [], [[]], {}, {"a": []}, ["x", 1], "\u2028")


def test_changed_tokens_are_invalid_and_nothing_worse() -> None:
    issuer, chance = Issuer(), random.Random(20261121)
    verifier, token = issuer.verifier(), issuer.token()
    for _ in range(ROUNDS):
        letters = list(token)
        for _ in range(chance.randint(1, 4)):
            place = chance.randrange(len(letters))
            letters[place : place + chance.randint(0, 2)] = chance.choice(ALPHABET)
        changed = "".join(letters)
        if changed != token:
            with pytest.raises(InvalidToken):
                verifier.verify(changed)


def test_well_signed_claims_of_any_kind_give_a_token_or_are_invalid() -> None:
    issuer, chance = Issuer(), random.Random(20261122)
    verifier, names = issuer.verifier(leeway=0.5), [*issuer.claims(), "nbf", "other"]
    outcomes = set()
    for _ in range(400):
        claims = issuer.claims() | {
            chance.choice(names): chance.choice(ODD_VALUES) for _ in range(chance.randint(1, 2))
        }
        try:
            outcomes.add(verifier.verify(issuer.token(claims)).subject != "")
        except InvalidToken:
            outcomes.add(False)
    assert outcomes == {True, False}


def test_headers_of_any_kind_are_read_or_invalid() -> None:
    issuer = Issuer()
    verifier = issuer.verifier()
    for name in ("alg", "kid", "typ", "cty", "crit", "jwk", "zip"):
        for value in ODD_VALUES[1:]:
            header = {name: value}
            if name == "alg":
                continue  # which the table of forgeries has
            try:
                verifier.verify(issuer.token(header=header))
            except InvalidToken:
                continue
            assert name in {"cty", "zip"}
