"""Redirect URIs: which may be registered, which match, and how parameters are appended."""

import pytest

from idp.protocol.errors import InvalidRedirectUri
from idp.protocol.redirect_uri import (
    check_redirect_uri_registration,
    host_of,
    matches_redirect_uri,
    origin_of,
    with_parameters,
)

HTTPS = "https://client.example.com/callback"

REGISTRABLE = [
    pytest.param(HTTPS, id="RFC 6749 §3.1.2 https"),
    pytest.param(f"{HTTPS}?tenant=a", id="RFC 6749 §3.1.2 with a query of its own"),
    pytest.param("http://127.0.0.1/cb", id="RFC 8252 §7.3 IPv4 loopback"),
    pytest.param("http://[::1]:8080/cb", id="RFC 8252 §7.3 IPv6 loopback"),
    pytest.param("http://localhost:3000/cb", id="RFC 8252 §8.3 localhost"),
    pytest.param("com.example.app:/cb", id="RFC 8252 §7.1 reversed domain scheme"),
    pytest.param("nextarget://callback", id="RFC 8252 §7.1 private-use scheme"),
]

NOT_REGISTRABLE = [
    pytest.param("", id="empty"),
    pytest.param("/callback", id="RFC 6749 §3.1.2 not absolute"),
    pytest.param("//client.example.com/callback", id="RFC 6749 §3.1.2 without a scheme"),
    pytest.param(f"{HTTPS}#part", id="RFC 6749 §3.1.2 fragment"),
    pytest.param(f"{HTTPS}#", id="RFC 6749 §3.1.2 empty fragment"),
    pytest.param("https://*.example.com/callback", id="RFC 9700 §4.1 wildcard in the host"),
    pytest.param("https://client.example.com/*", id="RFC 9700 §4.1 wildcard in the path"),
    pytest.param("http://client.example.com/callback", id="RFC 8252 §7.3 http beyond loopback"),
    pytest.param("http://127.0.0.1.example.com/cb", id="a host that begins like loopback"),
    pytest.param("http://127.0.0.1@example.com/cb", id="loopback as a user name"),
    pytest.param("https://user:word@client.example.com/cb", id="with a password"),
    pytest.param("https:///callback", id="https without a host"),
    pytest.param("https://client.example.com\\@other.example/cb", id="backslash"),
    pytest.param("https://client.example.com/a b", id="space"),
    pytest.param("https://client.example.com/\ncb", id="line break"),
    pytest.param("https://client.example.com/\x00", id="NUL"),
    pytest.param("https://clïent.example.com/cb", id="not ASCII"),
    pytest.param("https://client.example.com:99999/cb", id="impossible port"),
    pytest.param("https://[::1/cb", id="broken IPv6 literal"),
    pytest.param("javascript:alert(1)", id="javascript"),
    pytest.param("JavaScript:alert(1)", id="javascript in another case"),
    pytest.param("data:text/html,x", id="data"),
    pytest.param("vbscript:x", id="vbscript"),
    pytest.param("file:///etc/passwd", id="file"),
    pytest.param("blob:https://client.example.com/1", id="blob"),
    pytest.param("view-source:https://client.example.com/", id="view-source"),
    pytest.param("about:blank", id="about"),
    pytest.param("https://client.example.com/" + "a" * 2048, id="longer than 2048"),
]

NOT_THE_SAME = [
    pytest.param("https://CLIENT.example.com/callback", id="case of the host"),
    pytest.param("https://client.example.com/Callback", id="case of the path"),
    pytest.param("HTTPS://client.example.com/callback", id="case of the scheme"),
    pytest.param("https://client.example.com:443/callback", id="default port written out"),
    pytest.param("https://client.example.com:8443/callback", id="another port"),
    pytest.param("https://client.example.com/callback/", id="trailing slash"),
    pytest.param("https://client.example.com/callback?", id="empty query"),
    pytest.param("https://client.example.com/callback?a=b", id="extra query"),
    pytest.param("https://client.example.com/callback#x", id="fragment"),
    pytest.param("https://client.example.com/call%62ack", id="percent-encoded letter"),
    pytest.param("https://client.example.com/x/../callback", id="dot segments"),
    pytest.param("https://client.example.com/callback/more", id="registered one as a prefix"),
    pytest.param("https://client.example.com/callback ", id="trailing space"),
    pytest.param("http://client.example.com/callback", id="another scheme"),
    pytest.param("https://client.example.com.evil.example/callback", id="host as a prefix"),
    pytest.param("https://client.example.com@evil.example/callback", id="host as a user name"),
    pytest.param("https://evil.example/callback", id="another host"),
    pytest.param("", id="empty"),
]

LOOPBACK = [
    pytest.param("http://127.0.0.1:49152/cb", True, id="RFC 8252 §7.3 IPv4 with any port"),
    pytest.param("http://127.0.0.1/cb", True, id="RFC 8252 §7.3 IPv4 without a port"),
    pytest.param("http://[::1]:49152/v6", True, id="RFC 8252 §7.3 IPv6 with any port"),
    pytest.param("http://127.0.0.1:49152/other", False, id="another path"),
    pytest.param("http://127.0.0.1:49152/cb?a=b", False, id="extra query"),
    pytest.param("http://127.0.0.1:49152/cb#x", False, id="fragment"),
    pytest.param("http://127.0.0.1:/cb", False, id="empty port"),
    pytest.param("http://127.0.0.1:0/cb", False, id="port 0"),
    pytest.param("http://127.0.0.1:65536/cb", False, id="port too high"),
    pytest.param("http://127.0.0.1:80x/cb", False, id="port with a letter"),
    pytest.param("http://127.0.0.1:1@evil.example/cb", False, id="loopback as a user name"),
    pytest.param("http://127.0.0.1.evil.example/cb", False, id="loopback as a prefix"),
    pytest.param("http://127.0.0.1:1/cb\n", False, id="trailing line break"),
    pytest.param("https://127.0.0.1:49152/cb", False, id="https on loopback keeps its port"),
    pytest.param("http://[::1]:49152/cb", False, id="IPv6 is not IPv4"),
    pytest.param("http://127.0.0.2:49152/cb", False, id="another loopback address"),
    pytest.param("http://localhost:3001/named", False, id="RFC 8252 §8.3 localhost keeps its port"),
    pytest.param("http://localhost:3000/named", True, id="localhost as registered"),
]


@pytest.mark.spec("RFC 6749", "3.1.2", "MUST")
@pytest.mark.parametrize("uri", REGISTRABLE)
def test_a_safe_redirect_uri_may_be_registered_and_matches_itself(uri: str) -> None:
    check_redirect_uri_registration(uri)
    assert matches_redirect_uri(uri, [uri])


@pytest.mark.spec("RFC 9700", "4.1.3", "MUST")
@pytest.mark.asvs("10.4.1")
@pytest.mark.parametrize("uri", NOT_REGISTRABLE)
def test_an_unsafe_redirect_uri_may_not_be_registered(uri: str) -> None:
    with pytest.raises(InvalidRedirectUri):
        check_redirect_uri_registration(uri)


@pytest.mark.spec("RFC 9700", "2.1", "MUST")
@pytest.mark.asvs("10.4.1")
@pytest.mark.parametrize("requested", NOT_THE_SAME)
def test_only_the_very_same_string_matches(requested: str) -> None:
    assert not matches_redirect_uri(requested, [HTTPS])


@pytest.mark.spec("RFC 8252", "7.3", "MUST")
@pytest.mark.parametrize(("requested", "fits"), LOOPBACK)
def test_only_a_loopback_ip_literal_may_vary_its_port(requested: str, fits: bool) -> None:
    registered = ["http://127.0.0.1/cb", "http://[::1]:1234/v6", "https://127.0.0.1/cb", "http://localhost:3000/named"]
    assert matches_redirect_uri(requested, registered) is fits


@pytest.mark.spec("RFC 6749", "3.1.2", "MUST")
@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        pytest.param("https://c.example/cb", "https://c.example/cb?state=a%26%2B%25%20%C3%A9&iss=x", id="without"),
        pytest.param("https://c.example/cb?t=1", "https://c.example/cb?t=1&state=a%26%2B%25%20%C3%A9&iss=x", id="own"),
        pytest.param("https://c.example/cb?", "https://c.example/cb?state=a%26%2B%25%20%C3%A9&iss=x", id="empty"),
        pytest.param(
            "https://c.example/cb?a&", "https://c.example/cb?a&state=a%26%2B%25%20%C3%A9&iss=x", id="ends with &"
        ),
        pytest.param("app:/cb", "app:/cb?state=a%26%2B%25%20%C3%A9&iss=x", id="private-use scheme"),
    ],
)
def test_parameters_are_appended_to_the_query_that_is_kept(uri: str, expected: str) -> None:
    assert with_parameters(uri, [("state", "a&+% é"), ("iss", "x")]) == expected


def test_parameters_can_be_the_fragment_behind_the_query_that_is_kept() -> None:
    assert (
        with_parameters("https://c.example/cb?t=1", [("code", "a b")], fragment=True)
        == "https://c.example/cb?t=1#code=a%20b"
    )


@pytest.mark.parametrize(
    ("uri", "origin", "host"),
    [
        ("https://Client.example.com:443/cb", "https://client.example.com", "client.example.com"),
        ("http://[::1]:8080/cb", "http://[::1]:8080", "::1"),
        ("http://localhost:80/cb", "http://localhost", "localhost"),
        ("com.example.app:/cb", None, "com.example.app:"),
    ],
)
def test_origin_and_host_of_a_redirect_uri(uri: str, origin: str | None, host: str) -> None:
    assert (origin_of(uri), host_of(uri)) == (origin, host)
