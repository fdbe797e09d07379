"""Every fault, shown from outside: what arrives, and that it concerns one sign-in alone."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jwt
import pytest
import requests

from idp.sandbox.connections import KINDS, sandbox_upstreams
from idp.sandbox.faults import ANSWER_FAULTS, FAULTS, HUGE_BYTES
from idp.sandbox.servers import PROVIDERS, Sandbox
from tests.sandbox.conftest import ANY_PORTS, MakeVisitor
from tests.sandbox.visitor import KEYS, PROFILE, Visitor

WITH_ID_TOKEN = ("google", "apple", "microsoft", "oidc")
every_kind = pytest.mark.parametrize("kind", KINDS)
every_id_token = pytest.mark.parametrize("kind", WITH_ID_TOKEN)
ANSWERED_FAULTS = [fault for fault in ANSWER_FAULTS if fault != "hanging"]


def check_fault(answer: requests.Response, fault: str) -> None:
    """That the answer is the one that the fault promises."""
    if fault == "http_500":
        assert answer.status_code == 500
        assert answer.headers["Content-Type"].startswith("text/plain")
    elif fault == "malformed_json":
        assert answer.status_code == 200
        with pytest.raises(requests.JSONDecodeError):
            answer.json()
    else:
        assert "Content-Length" not in answer.headers, "its size is not announced"
        assert abs(len(answer.content) - HUGE_BYTES) < 200_000
        assert list(json.loads(answer.content)) == ["padding"]


# --- Answers


@every_kind
@pytest.mark.parametrize("fault", ANSWERED_FAULTS)
def test_a_faulty_answer_comes_from_the_token_endpoint(visitor: MakeVisitor, kind: str, fault: str) -> None:
    visit = visitor(kind)
    check_fault(visit.redeem(visit.choose("new", fault=fault)["code"]), fault)


@pytest.mark.parametrize("kind", PROFILE)
@pytest.mark.parametrize("fault", ANSWERED_FAULTS)
def test_a_faulty_answer_comes_from_the_profile_endpoint_when_that_is_the_place(
    visitor: MakeVisitor, kind: str, fault: str
) -> None:
    visit = visitor(kind)
    token = visit.tokens("new", fault=fault, fault_at="userinfo")["access_token"]
    check_fault(visit.profile(token), fault)


def test_githubs_addresses_are_faulty_like_its_profile(visitor: MakeVisitor) -> None:
    visit = visitor("github")
    token = visit.tokens("new", fault="http_500", fault_at="userinfo")["access_token"]
    assert visit.profile(token, "/api.github.com/user/emails").status_code == 500


def test_sign_ins_at_the_same_time_do_not_share_a_fault(visitor: MakeVisitor) -> None:
    faults = ["", "http_500"] * 10

    def sign_in(fault: str) -> int:
        visit = visitor("google")
        return visit.redeem(visit.choose("new", fault=fault)["code"]).status_code

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(sign_in, faults)) == [200, 500] * 10


def test_a_hanging_answer_keeps_the_caller_waiting_and_nobody_else(apple_key: str) -> None:
    with Sandbox(ANY_PORTS, apple_key) as sandbox:
        google = next(each for each in sandbox_upstreams(sandbox.origins, apple_key) if each.kind == "google")
        visit = Visitor("google", google)
        code = visit.choose("new", fault="hanging")["code"]
        answers: list[requests.Response] = []
        waiting = threading.Thread(target=lambda: answers.append(visit.redeem(code)))
        waiting.start()
        waiting.join(0.5)
        assert waiting.is_alive()
        assert "access_token" in visit.tokens("new")
        began = time.monotonic()
        sandbox.close()
        waiting.join(15)
        assert not waiting.is_alive(), "the end of the server ends the waiting"
        assert time.monotonic() - began < 15
    assert answers[0].status_code == 200, "late, but true"


# --- The code


@every_kind
def test_an_expired_code_is_refused(visitor: MakeVisitor, kind: str) -> None:
    visit = visitor(kind)
    assert "access_token" not in visit.redeem(visit.choose("new", fault="code_expired")["code"]).json()


def test_a_code_expires_by_itself_after_ten_minutes(apple_key: str) -> None:
    now = [time.time()]
    with Sandbox(ANY_PORTS, apple_key, clock=lambda: now[0]) as sandbox:
        oidc = next(each for each in sandbox_upstreams(sandbox.origins, apple_key) if each.kind == "oidc")
        visit = Visitor("oidc", oidc)
        code = visit.choose("new")["code"]
        now[0] += 601
        assert visit.redeem(code).json()["error_description"] == "The code has expired."


# --- id_tokens


def claims_of(visit: Visitor, fault: str) -> dict[str, Any]:
    return visit.verify(visit.tokens("new", fault=fault)["id_token"])


@every_id_token
@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("bad_signature", jwt.InvalidSignatureError),
        ("alg_none", jwt.InvalidAlgorithmError),
        ("hs256", jwt.InvalidAlgorithmError),
        ("wrong_audience", jwt.InvalidAudienceError),
        ("clock_off", jwt.ImmatureSignatureError),
        ("clock_behind", jwt.ExpiredSignatureError),
    ],
)
def test_an_independent_library_refuses_the_id_token(
    visitor: MakeVisitor, kind: str, fault: str, expected: type[Exception]
) -> None:
    with pytest.raises(expected):
        claims_of(visitor(kind), fault)


@every_id_token
def test_the_nonce_is_another_one(visitor: MakeVisitor, kind: str) -> None:
    visit = visitor(kind)
    assert claims_of(visit, "wrong_nonce")["nonce"] not in ("", visit.nonce)


@every_id_token
def test_the_issuer_is_another_one(visitor: MakeVisitor, kind: str) -> None:
    visit = visitor(kind)
    truth, wrong = claims_of(visit, ""), claims_of(visit, "wrong_issuer")
    assert truth["iss"] != wrong["iss"]
    if kind == "microsoft":
        assert wrong["tid"] == truth["tid"], "only the issuer is that of another tenant"
        assert wrong["iss"].startswith("https://login.microsoftonline.com/")


@every_id_token
def test_a_token_without_a_signature_has_none(visitor: MakeVisitor, kind: str) -> None:
    token = visitor(kind).tokens("new", fault="alg_none")["id_token"]
    assert jwt.get_unverified_header(token)["alg"] == "none"
    assert token.endswith(".")


@every_id_token
def test_the_forged_hmac_is_made_with_the_published_key(visitor: MakeVisitor, kind: str) -> None:
    """A verifier that trusts the header's algorithm would accept it (RFC 8725 §2.1)."""
    import hashlib
    import hmac

    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    visit = visitor(kind)
    token = visit.tokens("new", fault="hs256")["id_token"]
    header = jwt.get_unverified_header(token)
    key = next(jwt.PyJWK(key).key for key in visit.keys().json()["keys"] if key["kid"] == header["kid"])
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signed, _, signature = token.rpartition(".")
    assert header["alg"] == "HS256"
    assert jwt.utils.base64url_decode(signature) == hmac.digest(pem, signed.encode(), hashlib.sha256)


@every_id_token
def test_a_key_that_was_just_changed_signs_and_is_published_beside_the_former(visitor: MakeVisitor, kind: str) -> None:
    visit = visitor(kind)
    before = {key["kid"] for key in visit.keys().json()["keys"]}
    earlier = visit.tokens("new")["id_token"]
    token = visit.tokens("new", fault="key_rotated")["id_token"]
    assert jwt.get_unverified_header(token)["kid"] not in before
    visit.verify(token)
    visit.verify(earlier)
    assert not {"d", "p", "q"} & {member for key in visit.keys().json()["keys"] for member in key}


def test_no_two_stand_ins_share_a_key(visitor: MakeVisitor) -> None:
    kids = [key["kid"] for kind in KEYS for key in visitor(kind).keys().json()["keys"]]
    assert len(kids) == len(set(kids))


@pytest.mark.parametrize("kind", ["google", "oidc"])
@pytest.mark.parametrize("form", [{}, {"cancel": "yes"}], ids=["success", "refusal"])
def test_the_iss_parameter_names_another_provider(visitor: MakeVisitor, kind: str, form: dict[str, Any]) -> None:
    back = visitor(kind).choose("new", fault="wrong_iss_parameter", **form)
    assert back["iss"] == "https://another-provider.example"


# --- Keys and discovery, for everybody


def set_keys_fault(origin: str, body: object) -> requests.Response:
    return requests.post(origin + "/sandbox/faults", json=body, timeout=30)


def test_the_keys_endpoint_is_spoiled_for_everybody_until_it_is_mended(apple_key: str) -> None:
    with Sandbox(ANY_PORTS, apple_key) as sandbox:
        for kind, path in {**KEYS, "discovery": "/.well-known/openid-configuration"}.items():
            origin = sandbox.origins["oidc" if kind == "discovery" else kind]
            for fault in ANSWERED_FAULTS:
                assert set_keys_fault(origin, {"keys": fault}).json() == {"keys": fault}
                check_fault(requests.get(origin + path, timeout=30), fault)
            assert set_keys_fault(origin, {"keys": None}).json() == {"keys": None}
            assert requests.get(origin + path, timeout=30).json()


@pytest.mark.parametrize("body", [None, [], {"keys": "earthquake"}, {"keys": "bad_signature"}, {"keys": 1}], ids=str)
def test_a_fault_that_keys_cannot_have_is_refused(sandbox: Sandbox, body: object) -> None:
    answer = set_keys_fault(sandbox.origins["oidc"], body)
    assert answer.status_code == 400
    assert requests.get(sandbox.origins["oidc"] + "/sandbox/faults", timeout=30).json() == {"keys": None}


def test_a_page_of_another_site_cannot_set_a_fault_with_a_form(sandbox: Sandbox) -> None:
    url, headers = sandbox.origins["oidc"] + "/sandbox/faults", {"Content-Type": "text/plain"}
    answer = requests.post(url, data='{"keys": "http_500"}', headers=headers, timeout=30)
    assert answer.status_code == 400


def test_a_fault_is_offered_where_it_makes_sense_and_every_fault_somewhere() -> None:
    offered = {provider.kind: set(provider.faults) for provider in PROVIDERS}
    assert set().union(*offered.values()) == set(FAULTS)
    assert offered["facebook"] == offered["discord"] == {"denied", "code_expired", *ANSWER_FAULTS}
    assert offered["github"] == {*offered["discord"], "wrong_iss_parameter"}
    assert [kind for kind, faults in offered.items() if "bad_signature" in faults] == list(WITH_ID_TOKEN)
