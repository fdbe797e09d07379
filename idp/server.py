"""What a request may use: made once by `create_app`, handed down as an argument, never reached for.

Owns nothing of its own; it only names the parts together.
"""

from collections.abc import Callable
from dataclasses import dataclass

from idp.jose.client_keys import RemoteKeys
from idp.jose.encryption import SecretBox
from idp.jose.signing_keys import SigningKeys
from idp.settings import Settings
from idp.store import Store


@dataclass(frozen=True, slots=True, eq=False)
class Server:
    """The settings and the shared, thread-safe parts of one process. `clock` gives whole seconds since the epoch.

    Two servers are never equal: the parts are alive.
    """

    settings: Settings
    store: Store
    keys: SigningKeys
    secret_box: SecretBox
    remote_keys: RemoteKeys
    clock: Callable[[], int]

    @property
    def issuer(self) -> str:
        return self.settings.issuer

    def endpoint(self, path: str) -> str:
        """The public URL of one of our paths; never derived from a request."""
        return self.settings.issuer + path
