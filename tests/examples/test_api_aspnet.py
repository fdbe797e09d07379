"""`examples/api-aspnet`: run beside the real server where `dotnet` is found; everywhere, what ASP.NET Core would read.

`AddJwtBearer` finds everything under `Authority`. What its library demands of discovery, keys and tokens is written
down here and held against the real server.
"""

import json
import os
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.examples.api_process import API, ExampleApi, running
from tests.examples.promises import ApiPromises
from tests.support.idp_server import ServerUnderTest
from tests.support.machine import find_free_port
from tests.support.relying_party import TIMEOUT, claims_of, header_of

FOLDER = Path(__file__).parent.parent.parent / "examples" / "api-aspnet"
DOTNET = shutil.which("dotnet")
BUILDS_WITHIN_SECONDS = 600

if DOTNET is not None:  # a test that is not there where it cannot run: no machine of ours is promised to have it

    @pytest.fixture(scope="module")
    def api(server: ServerUnderTest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExampleApi]:
        folder = tmp_path_factory.mktemp("aspnet")
        shutil.copytree(FOLDER, folder / "project", ignore=shutil.ignore_patterns("bin", "obj"))
        build = [str(DOTNET), "build", "--configuration", "Release", "--output", str(folder / "built")]
        subprocess.run(build, cwd=folder / "project", check=True, timeout=BUILDS_WITHIN_SECONDS)
        api = ExampleApi(server, find_free_port(), folder / "api.log")
        environment = {"Idp__Authority": server.issuer, "Idp__Audience": API}
        environment["ASPNETCORE_URLS"] = f"http://127.0.0.1:{api.port}"
        with running(api, [str(DOTNET), "Orders.dll"], folder / "built", environment):
            yield api

    class TestAspNet(ApiPromises):
        """All of them hold."""

        said_of_typ = said_of_aud = "access token refused: IDX"  # the library numbers its reasons


# --- The files -------------------------------------------------------------------------------------------------------


def source(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def test_the_project_names_its_framework_and_the_version_of_every_package() -> None:
    project = ElementTree.fromstring(source("Orders.csproj"))
    assert project.attrib["Sdk"] == "Microsoft.NET.Sdk.Web"
    framework = project.findtext("PropertyGroup/TargetFramework") or ""
    packages = {each.attrib["Include"]: each.attrib["Version"] for each in project.iter("PackageReference")}
    assert re.fullmatch(r"net\d+\.0", framework)
    [version] = packages.values()
    assert list(packages) == ["Microsoft.AspNetCore.Authentication.JwtBearer"]
    assert version.split(".")[0] == framework.removeprefix("net").split(".")[0]  # they are released together


def test_every_setting_that_the_code_reads_is_in_the_settings() -> None:
    settings = json.loads(source("appsettings.Idp.json"))
    read = re.findall(r'configuration\["(\w+):(\w+)"\]', source("AccessTokens.cs"))
    assert sorted(read) == [("Idp", "Audience"), ("Idp", "Authority")]
    assert all(isinstance(settings[section][name], str) for section, name in read)
    profiles = json.loads(source("Properties/launchSettings.json"))["profiles"]
    assert [profile["applicationUrl"] for profile in profiles.values()] == ["http://localhost:8001"]


@pytest.mark.spec("RFC 9068", "4", "MUST")
@pytest.mark.parametrize(
    "line",
    [
        'ValidTypes = ["at+jwt"]',
        "ValidAlgorithms = [SecurityAlgorithms.RsaSha256]",
        "options.Audience = audience",
        "options.Authority = authority",
        "MapInboundClaims = false",
        'RoleClaimType = "roles"',
        "IncludeErrorDetails = false",
        "SetFallbackPolicy(signedIn)",
    ],
)
def test_the_code_checks(line: str) -> None:
    assert line in source("AccessTokens.cs")


def test_nothing_that_is_checked_by_default_is_switched_off() -> None:
    assert not re.search(r"(Validate|Require)\w+ = false", source("AccessTokens.cs") + source("Program.cs"))
    assert "ShowPII" not in source("AccessTokens.cs") + source("Program.cs")  # it would put tokens into the log


# --- What Microsoft.IdentityModel demands ----------------------------------------------------------------------------


def fetch(url: str) -> dict[str, Any]:
    answer = requests.get(url, timeout=TIMEOUT)
    assert answer.status_code == 200
    return dict(answer.json())


@pytest.mark.spec("OpenID Connect Discovery", "4", "MUST")
def test_authority_alone_leads_to_the_metadata_and_the_keys(server: ServerUnderTest) -> None:
    authority = server.issuer
    metadata = fetch(authority.rstrip("/") + "/.well-known/openid-configuration")
    assert metadata["issuer"] == authority  # compared character by character with `iss`
    assert metadata["jwks_uri"].startswith(authority + "/")
    lists = ("response_types_supported", "subject_types_supported", "id_token_signing_alg_values_supported")
    assert all(metadata[name] and all(isinstance(each, str) for each in metadata[name]) for name in lists)
    assert not [name for name, value in metadata.items() if value is None]


@pytest.mark.spec("RFC 7517", "4", "MUST")
def test_the_published_keys_are_ones_that_it_takes(server: ServerUnderTest) -> None:
    """It takes keys for signatures (`use` sig or none), finds them by `kid`, and passes over kinds that it lacks."""
    keys = fetch(fetch(server.url("/.well-known/openid-configuration"))["jwks_uri"])["keys"]
    rsa = [key for key in keys if key["kty"] == "RSA" and key.get("alg") == "RS256"]
    assert rsa
    for key in keys:
        assert key["use"] == "sig"
        assert isinstance(key["kid"], str)
        assert all(value is not None for value in key.values())
    for key in rsa:
        assert re.fullmatch(r"[A-Za-z0-9_-]+", key["n"])
        assert len(key["n"]) * 6 >= 2048
        assert key["e"] == "AQAB"
        assert "x5c" not in key or key["x5c"]  # an empty list would be an error


@pytest.mark.spec("RFC 9068", "2.1", "MUST")
def test_an_access_token_is_one_that_it_takes(server: ServerUnderTest, tmp_path: Path) -> None:
    _, tokens = ExampleApi(server, 0, tmp_path / "none").sign_in(roles=("reader", "Admin"))
    header, claims = header_of(tokens["access_token"]), claims_of(tokens["access_token"])
    keys = fetch(server.url("/jwks"))["keys"]
    assert (header["typ"], header["alg"]) == ("at+jwt", "RS256")  # ValidTypes is compared with regard to case
    assert header["kid"] in [key["kid"] for key in keys]
    assert claims["iss"] == server.issuer
    assert API in claims["aud"]
    assert all(type(claims[name]) is int for name in ("exp", "iat", "auth_time"))
    assert sorted(claims["roles"]) == ["Admin", "reader"]  # a list becomes one claim for each role
    assert isinstance(claims["scope"], str)  # which RequireScope splits
    required = re.search(r"Required = \[(.*)\]", source("AccessTokens.cs"))
    assert required is not None
    assert set(re.findall(r'"(\w+)"', required[1])) <= claims.keys()


def test_the_test_beside_the_real_server_is_there_wherever_dotnet_is() -> None:
    assert ("TestAspNet" in globals()) == (DOTNET is not None)
    assert os.access(FOLDER / "Program.cs", os.R_OK)
