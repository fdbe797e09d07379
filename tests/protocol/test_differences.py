"""How two strings differ, told to a person: what is marked, in words, and which registered URI was meant."""

import time

import pytest

from idp.protocol.differences import (
    aligned,
    by_nearness,
    compare,
    comparison,
    describe_uri_difference,
    redirect_uri_finding,
)
from idp.protocol.findings import (
    Finding,
    duration,
    expect,
    masked,
    moment,
    network_of,
    shown,
    shown_scheme,
    shown_uri,
    visible,
)

CALLBACK = "https://app.example.com/callback"


def test_every_difference_has_a_caret_under_it_and_nothing_else_has() -> None:
    expected, received, carets = aligned(compare(CALLBACK, "http://app.example.com/Callback/"))
    assert expected == "https://app.example.com/callback·"
    assert received == "http·://app.example.com/Callback/"
    assert carets == "    ^                   ^       ^"
    assert aligned(compare("same", "same")) == ("same", "same", "")
    assert aligned(compare("", "ab")) == ("··", "ab", "^^")


@pytest.mark.parametrize(
    ("received", "words"),
    [
        (CALLBACK + "/", "there is a slash too many at the end"),
        (" " + CALLBACK, "there is white space around it"),
        ("https://APP.example.com/callback", "capital and small letters differ"),
        ("https://app.example.com/%63allback", "it is percent-encoded once too often"),
        ("http://app.example.com/callback", "the scheme is http, not https"),
        ("https://app.example.com:443/callback", "the port is 443, not to be there"),
        ("https://app.example.com/callback?a=b", "there is a query (?…) that is not registered"),
        (
            "https://app.example.com/CALLBACK/?a",
            "capital and small letters of the path differ; there is a slash too many",
        ),
        ("https://other.example/callback", "the host is another one"),
        ("https://app.example.com:x/callback", "what was sent is not a URI"),
        ("https://[/callback", "what was sent is not a URI"),
        ("", "the scheme is missing, not https"),
    ],
)
def test_a_difference_is_put_in_words(received: str, words: str) -> None:
    assert describe_uri_difference(CALLBACK, received).startswith(words)


@pytest.mark.parametrize(
    ("received", "meant"),
    [
        ("http://client.example.com/a/long/path/to/the/Callback/", 1),
        ("http://127.0.0.1:3001/callback", 0),
        ("https://www.client.example.com/a/long/path", 1),
        ("com.example.app:/callbak", 2),
    ],
)
def test_the_one_that_was_meant_comes_first(received: str, meant: int) -> None:
    uris = (
        "http://localhost:3000/callback",
        "https://client.example.com/a/long/path/to/the/callback",
        "com.example.app:/callback",
    )
    assert by_nearness(uris, received)[0] == uris[meant]


def test_what_strangers_choose_costs_little() -> None:
    registered = [f"https://{number}.example.com/{'a' * 2000}" for number in range(50)]
    hostile = "https://" + "a" * 16_000
    began = time.perf_counter()
    finding = redirect_uri_finding("redirect_uri", hostile, registered)
    assert comparison(finding)
    assert time.perf_counter() - began < 5
    assert len(str(finding)) < 12_000


def test_two_long_strings_are_compared_at_once() -> None:
    """Such pairs take a matcher of sequences seconds; the attacker has both, a registered URI and the one that is
    sent."""
    began = time.perf_counter()
    for one, other in (("a" * 470, "ab" * 235), ("ab" * 250, "ba" * 250), ("a" * 80, "ab" * 40)):
        pieces = compare("https://a/" + one, "https://a/" + other)
        assert "".join(piece.expected for piece in pieces) == "https://a/" + one
        assert "".join(piece.received for piece in pieces) == "https://a/" + other
        assert pieces[0].is_same
    assert time.perf_counter() - began < 1
    long = "/segment" * 50
    expected, received, carets = aligned(compare(f"https://a/{long}/callback", f"https://a/{long}/Callback"))
    assert len(expected) == len(received)
    assert carets.count("^") == 1


def test_nothing_is_compared_with_nothing() -> None:
    assert comparison(Finding("x", (), "a", is_compared=True)) == ()
    assert comparison(Finding("x", ("a",), None, is_compared=True)) == ()
    assert comparison(Finding("x", ("a",), "b")) == ()
    assert redirect_uri_finding("redirect_uri", "x", ()).hint.startswith("No redirect_uri is registered")


def test_a_secret_is_masked_whatever_it_is_called() -> None:
    token = "aB3" + "x" * 40
    assert masked(token) == "aB3x… (43 characters)"
    assert (masked("short"), masked("x"), masked("")) == ("(5 characters)", "(1 character)", "(0 characters)")
    assert shown(f"openid {token} a.b@c.example") == "openid aB3x… (43 characters) …@…"
    assert shown("x " * 1000).endswith("…")
    known = [f"https://a.example/{token}/cb?tenant=1"]
    assert shown_uri(known[0], known) == known[0]
    uri = f"https://u:p@a.example/{token}/cb?tenant=2&code={token}&{token}#{token}"
    assert shown_uri(uri, known) == f"https://…@a.example/{token}/cb?tenant=…&code=…&…#…"
    assert token not in shown_uri(uri)
    assert token not in shown_uri(token)
    assert token not in shown_uri(f"{token}:{token}")


SECRET = "s3CRetValueThatIsLong0123456789abcdefXYZ"


@pytest.mark.parametrize(
    "around",
    ['"{}"', "id:{}", "({})", "{},", "{}!", '{{"a":"{}"}}', "<{}>", "x@{}", "p@ss!{}", "urn:x:{}", "{}\n"]
    + ["x " * 298 + "{}", "https://a/cb/tok:{}", "https://a/cb;t={}", "https://a/cb({})", "https://{}.example/"]
    + ["https://a\\{}", "https:{}", "x" * 980 + "/{}", "{}://a/", "https://u:p@{}@a/", "https://a:{}/"]
    + ["https://a/%22{}%22/", "//{}", "?{}=x", "?x={}"],
)  # fmt: skip
def test_a_secret_is_masked_whatever_stands_around_it(around: str) -> None:
    text = around.format(SECRET)
    for masking in (shown, shown_uri):
        assert SECRET[4:16] not in masking(text)
        assert SECRET[-16:] not in masking(text)
        assert SECRET[4:16] not in masking(f"openid {text} ")


@pytest.mark.parametrize(
    "uri",
    ["openid profile offline_access", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "${CLIENT_ID}"]
    + ["https://client.example.com/api/auth/callback/idp", "com.app:/callback", "http://localhost:3000/cb"]
    + ["https://my-app-git-feature-2-team-17.vercel.app/callback", "https://app.eu-west-1.compute.example.com:8443/x"]
    + ["/api/v2/cb", "com.example.app2.internal.something://callback", "com.example.app2.internal.something:/callback"]
    + ["https://[2001:db8::1]:3000/callback"],
)  # fmt: skip
def test_what_is_no_secret_stays_readable(uri: str) -> None:
    assert shown_uri(uri) == uri
    assert "://" not in uri or shown(uri) == uri


@pytest.mark.parametrize(
    "address", ["ada@example.com", "ada%40example.com", "ada%2540example.com", "ada%252540a.example"]
)
def test_an_address_is_masked_however_it_is_encoded(address: str) -> None:
    for text in (address, f"mail={address}", f"https://a.example/x/{address}/y", f"<{address}>,"):
        assert "ada" not in shown(text)
        assert "ada" not in shown_uri(text)


def test_masking_is_linear() -> None:
    hostile = ("x" * 2048, "https://a/" + "b" * 2000, "a1" * 1000 + "!", "b!" * 1000 + "%40", "%40" * 680, "%4" * 900)
    began = time.perf_counter()
    for text in hostile:
        for _ in range(50):
            shown(text)
            shown_uri(text)
            shown_uri(text, [text, "https://a/" + "c" * 2000])
    assert time.perf_counter() - began < 2


def test_of_a_scheme_only_a_known_one_is_shown() -> None:
    assert [shown_scheme(name) for name in ("Bearer", "bearer:", '"Basic', "hunter2", "Token:abcdef")] == [
        "Bearer", "bearer:", '"Basic', "(7 characters)", "(12 characters)"
    ]  # fmt: skip


def test_numbers_are_said_as_people_say_them() -> None:
    assert (duration(5), duration(-119.9), duration(90_061)) == ("5 s", "119 s", "90,061 s (1 d 1 h 1 min)")
    assert moment(0) == "1970-01-01T00:00:00Z"
    assert moment(1e18) == "1e+18"
    assert (network_of("203.0.113.7"), network_of("2001:db8:1:2::3")) == ("203.0.113.0/24", "2001:db8:1::/48")
    assert (network_of("unknown"), network_of(None)) == (None, None)
    assert expect(map(str, range(12)))[9:] == ("9", "and 2 more")
    assert visible("a\u202eb\x1b\ud800é") == "a\\u202eb\\x1b\\ud800é"
