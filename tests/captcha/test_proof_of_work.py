"""The built-in proof of work: what counts as one, once, for one form, for half an hour, over all processes."""

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from idp.captcha.proof_of_work import LIFETIME, leading_zero_bits
from tests.captcha.conftest import Asking
from tests.captcha.prover import challenge_of, prove, solve
from tests.support.accounts import PASSWORD
from tests.support.idp_server import ServerUnderTest, running_server
from tests.support.relying_party import Browser, Page

KIND = "proof_of_work"


def open_form(server: ServerUnderTest) -> Page:
    return Browser(server).open("/login")


def send(page: Page, server: ServerUnderTest, proof: str, *, password: str = PASSWORD) -> Page:
    user = server.add_user()
    return page.browser.page(page.submit("login", username=user.username, password=password, proof=proof))


def is_signed_in(page: Page) -> bool:
    assert page.id in {"home-page", "login-page"}, page.text
    return page.id == "home-page"


def test_a_proof_signs_in(asking: Asking) -> None:
    page = open_form(asking(KIND))
    assert is_signed_in(send(page, asking(KIND), prove(page)))


def test_without_a_proof_the_page_says_that_javascript_is_needed(asking: Asking) -> None:
    page = open_form(asking(KIND))
    assert "Please allow JavaScript" in page.soup.select_one("#captcha-noscript").text  # type: ignore[union-attr]
    answer = send(page, asking(KIND), "")
    assert not is_signed_in(answer)
    assert "This needs JavaScript." in answer.soup.select_one("#captcha-error").text  # type: ignore[union-attr]


def test_a_proof_counts_once_and_the_next_page_has_another_challenge(asking: Asking) -> None:
    server = asking(KIND)
    page = open_form(server)
    proof = prove(page)
    answer = send(page, server, proof, password="wrong")
    assert not is_signed_in(answer)
    assert challenge_of(answer)[0] != challenge_of(page)[0]
    assert not is_signed_in(send(page, server, proof))
    assert is_signed_in(send(answer, server, prove(answer)))


def _cut(proof: str) -> str:
    return proof.rpartition(",")[0]


def _first_again(proof: str) -> str:
    challenge, _, numbers = proof.partition("~")
    return f"{challenge}~{','.join([numbers.split(',')[0]] * numbers.count(',') + [numbers.split(',')[0]])}"


def _easier(proof: str) -> str:
    challenge, _, _ = proof.partition("~")
    place, at, _puzzles, _bits, *rest = challenge.split(".")
    return solve(".".join([place, at, "1", "1", *rest]), 1, 1)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(_cut, id="one number too few"),
        pytest.param(lambda proof: proof + ",1", id="one too many"),
        pytest.param(_first_again, id="the same number for every puzzle"),
        pytest.param(_easier, id="a challenge made easier"),
        pytest.param(lambda proof: proof.replace("sign_in", "sign_up", 1), id="of another form, by hand"),
        pytest.param(lambda proof: proof[:-1] + "\N{ARABIC-INDIC DIGIT ONE}", id="another script's digit"),
        pytest.param(lambda proof: "~" + proof.partition("~")[2], id="no challenge"),
        pytest.param(lambda proof: proof.partition("~")[0], id="no numbers"),
        pytest.param(lambda proof: proof.partition("~")[0] + "~" + "9" * 60_000, id="very long"),
        pytest.param(lambda proof: "é~1", id="not a challenge at all"),
        pytest.param(lambda proof: proof.replace("~", "é~", 1), id="a signature that is none"),
    ],
)
def test_what_is_no_proof_does_not_sign_in(asking: Asking, spoil: object) -> None:
    page = open_form(asking(KIND))
    assert not is_signed_in(send(page, asking(KIND), spoil(prove(page))))  # type: ignore[operator]


def test_a_challenge_of_another_server_is_none_here(asking: Asking) -> None:
    elsewhere = prove(open_form(asking(KIND, service_name="another")))
    assert not is_signed_in(send(open_form(asking(KIND)), asking(KIND), elsewhere))


@pytest.mark.parametrize(("seconds", "passes"), [(LIFETIME - 60, True), (LIFETIME + 1, False)], ids=["in time", "late"])
def test_a_challenge_lasts_half_an_hour(asking: Asking, seconds: int, passes: bool) -> None:
    server = asking(KIND)
    page = open_form(server)
    proof = prove(page)
    server.forward(seconds)
    assert is_signed_in(send(page, server, proof)) is passes


def test_a_proof_sent_at_the_same_instant_counts_once_over_all_worker_processes(
    tmp_path: Path, signing_keys: Path
) -> None:
    with running_server(tmp_path, keys_from=signing_keys, captcha=KIND, captcha_on="sign_in") as server:
        user, page = server.add_user(), open_form(server)
        proof = prove(page)
        with ThreadPoolExecutor(6) as pool:
            sent = [
                pool.submit(page.submit, "login", username=user.username, password=PASSWORD, proof=proof)
                for _ in range(6)
            ]
            statuses = sorted(each.result().status_code for each in sent)
    assert statuses == [200] * 5 + [303]


def test_it_is_asked_for_after_wrong_tries(asking: Asking) -> None:
    server = asking(KIND, captcha_on="failures", captcha_failures="2")
    user, browser = server.add_user(), Browser(server)
    page = browser.open("/login")
    for _ in range(2):
        assert page.soup.find(id="captcha") is None
        page = browser.page(page.submit("login", username=user.username, password="wrong"))
    assert not is_signed_in(browser.page(page.submit("login", username=user.username, password=PASSWORD)))
    answer = page.submit("login", username=user.username, password=PASSWORD, proof=prove(page))
    assert is_signed_in(browser.page(answer))


def test_wrong_tries_are_forgotten_after_a_quarter_of_an_hour(asking: Asking) -> None:
    server = asking(KIND, captcha_on="failures", captcha_failures="1")
    page = open_form(server)
    page = page.browser.page(page.submit("login", username="nobody", password="wrong"))
    assert page.soup.find(id="captcha") is not None
    server.forward(901)
    assert open_form(server).soup.find(id="captcha") is None


def test_the_work_hardly_varies_and_checking_it_costs_nothing(asking: Asking) -> None:
    """The sum of sixteen searches deviates a quarter as much as one would."""
    page = open_form(asking(KIND))
    challenge, puzzles, bits = challenge_of(page)
    hashes = [
        sum(int(number) + 1 for number in solve(f"{challenge}{turn}", puzzles, bits).partition("~")[2].split(","))
        for turn in range(12)
    ]
    assert 0.7 < statistics.mean(hashes) / (puzzles * 2**bits) < 1.3
    assert max(hashes) < 2.5 * puzzles * 2**bits
    proof = prove(page)
    began = time.perf_counter()
    assert not is_signed_in(send(page, asking(KIND), proof, password=""))
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize(("text", "bits"), [("abc", 0), ("0", 0), ("39", 1), ("sign_in:8", 1)])
def test_zero_bits_are_counted_from_the_front(text: str, bits: int) -> None:
    import hashlib

    binary = f"{int(hashlib.sha256(text.encode()).hexdigest(), 16):0256b}"
    assert leading_zero_bits(text) == len(binary) - len(binary.lstrip("0"))
