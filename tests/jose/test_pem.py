"""A private key that somebody gives as PEM."""

import pytest
from joserfc.jwk import ECKey, RSAKey

from idp.jose.algorithms import SIGNING, generate_key
from idp.jose.pem import InvalidPem, load_pem_key


@pytest.mark.parametrize("alg", SIGNING)
def test_a_key_comes_back_as_it_was(alg: str) -> None:
    key = generate_key(alg)
    pem = key.as_pem(private=True).decode("ascii")
    loaded = load_pem_key(pem, alg)
    assert loaded.thumbprint() == key.thumbprint()
    signature = SIGNING[alg].model.sign(b"x", loaded)
    assert SIGNING[alg].model.verify(b"x", signature, key)


@pytest.mark.parametrize(
    "pem",
    [
        pytest.param("", id="nothing"),
        pytest.param("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", id="damaged"),
        pytest.param("é", id="not ASCII"),
        pytest.param(ECKey.generate_key("P-256").as_pem(private=False).decode(), id="public"),
        pytest.param(ECKey.generate_key("P-384").as_pem(private=True).decode(), id="another curve"),
        pytest.param(RSAKey.generate_key(2048).as_pem(private=True).decode(), id="another kind"),
        pytest.param(ECKey.generate_key("P-256").as_pem(private=True, password="x").decode(), id="encrypted"),
    ],
)
def test_what_is_no_key_for_the_algorithm_is_refused_without_quoting_it(pem: str) -> None:
    with pytest.raises(InvalidPem) as refused:
        load_pem_key(pem, "ES256")
    assert not pem.strip() or pem.strip()[:40] not in str(refused.value)
