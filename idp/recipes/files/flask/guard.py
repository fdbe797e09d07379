"""Who may call this API: `@guard(requires_scope("…"))` under the route of a view, then `current_token()` in it. It
answers 401 without a good token and 403 without the scope, and follows the server's keys by itself."""

import os

from idp_verify import TokenVerifier
from idp_verify.flask import Guard

guard = Guard(TokenVerifier(os.environ["ISSUER"], os.environ["AUDIENCE"]))
