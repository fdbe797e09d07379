"""The playground's HTTP: real requests from this server to its own public address, as a relying party makes them.

Owns the connection: no proxies or credentials of the environment, no redirects, one time limit, the system's
certificate authorities and those of `IDP_OUTBOUND_CA_BUNDLE`. `idp.outbound` is not used, because it keeps requests
away from private addresses, and where the playground runs the issuer usually has one.
"""

import json
from base64 import b64encode
from types import TracebackType
from typing import Any
from urllib.parse import quote_plus, urlsplit

import requests
from requests.adapters import HTTPAdapter

from idp.outbound import FetchRefused, make_tls_context
from idp.pages.playground.relying_party import CheckFailed
from idp.pages.playground.walk import Step
from idp.settings import Settings

MAX_SHOWN = 20_000  # characters of an answer
MASKED = "Basic ****"
_FORM_TYPE = "application/x-www-form-urlencoded"


class Caller:
    """Sends what a step describes and notes the answer in the step."""

    def __init__(self, settings: Settings, *, client_id: str, client_secret: str) -> None:
        self._settings = settings
        self._client = (client_id, client_secret)
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers.update({"User-Agent": "idp-playground", "Accept": "application/json"})

    def __enter__(self) -> "Caller":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()

    def get(self, step: Step, url: str, *, access_token: str | None = None) -> dict[str, Any]:
        """The JSON object at `url`; raises CheckFailed for any other answer and for none."""
        step.method, step.url = "GET", url
        headers = {"Accept": "application/json"}
        if access_token is not None:
            headers["Authorization"] = f"Bearer {access_token}"
        step.headers = list(headers.items())
        return self._load_object(step, self._send(step, headers))

    def post(self, step: Step, url: str, params: list[tuple[str, str]]) -> dict[str, Any]:
        """POST a form, authenticated as the client (RFC 6749 §2.3.1); the answer may be empty (RFC 7009 §2.2)."""
        step.method, step.url, step.params = "POST", url, params
        step.headers = [("Authorization", MASKED), ("Content-Type", _FORM_TYPE)]
        credentials = ":".join(quote_plus(part) for part in self._client)
        basic = b64encode(credentials.encode("ascii")).decode("ascii")
        response = self._send(step, {"Authorization": f"Basic {basic}"})
        return self._load_object(step, response) if response.content or response.status_code != 200 else {}

    def _send(self, step: Step, headers: dict[str, str]) -> requests.Response:
        try:
            self._trust_authorities(step.url)
            response = self._session.request(
                step.method,
                step.url,
                headers=headers,
                data=step.params or None,
                timeout=self._settings.outbound_timeout,
                allow_redirects=False,
            )
        except requests.exceptions.SSLError:
            raise CheckFailed("certificate", urlsplit(step.url).netloc) from None
        except requests.exceptions.Timeout:
            raise CheckFailed("timeout", f"{self._settings.outbound_timeout:g}") from None
        except FetchRefused as refusal:
            raise CheckFailed("ca_bundle", str(refusal)) from None
        except (requests.RequestException, OSError):
            raise CheckFailed("unreachable", urlsplit(step.url).netloc) from None
        step.status, step.body = response.status_code, response.text[:MAX_SHOWN]
        return response

    def _trust_authorities(self, url: str) -> None:
        if url.startswith("https:") and not isinstance(self._session.get_adapter(url), _TlsAdapter):
            self._session.mount("https://", _TlsAdapter(self._settings))

    def _load_object(self, step: Step, response: requests.Response) -> dict[str, Any]:
        try:
            answer = response.json()
        except ValueError:
            answer = None
        if isinstance(answer, dict):
            step.body = json.dumps(answer, indent=2, ensure_ascii=False)[:MAX_SHOWN]
        if response.status_code != 200:
            error = str(answer.get("error", "")) if isinstance(answer, dict) else ""
            raise CheckFailed("refused", error or str(response.status_code))
        if not isinstance(answer, dict):
            raise CheckFailed("not_json")
        return answer


class _TlsAdapter(HTTPAdapter):
    """TLS that trusts what `idp.outbound` trusts."""

    def __init__(self, settings: Settings) -> None:
        self._context = make_tls_context(settings.outbound_ca_bundle)
        super().__init__()

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: Any) -> None:
        super().init_poolmanager(connections, maxsize, block, ssl_context=self._context, **pool_kwargs)
