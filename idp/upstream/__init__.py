"""Sign-in with other providers: this server as their client (OpenID Connect Core §3.1, RFC 6749 §4.1, RFC 9700).

Owns PROVIDERS, the `state` of a sign-in, the request, and every check on what comes back, up to an `Identity`. Whose
account that is, is the matter of `idp.accounts.linking`. Nothing a provider says is believed before its ID token has
passed `id_token`, or its profile came over TLS from where we asked for it.

Adding a provider is one module that makes a `Provider`, and one line here; an ordinary OpenID Connect provider needs
neither, only settings.
"""

from idp.upstream.apple import APPLE
from idp.upstream.discord import DISCORD
from idp.upstream.facebook import FACEBOOK
from idp.upstream.github import GITHUB
from idp.upstream.google import GOOGLE
from idp.upstream.microsoft import MICROSOFT
from idp.upstream.oidc import OIDC
from idp.upstream.provider import Provider

PROVIDERS: dict[str, Provider] = {
    "google": GOOGLE,
    "facebook": FACEBOOK,
    "discord": DISCORD,
    "apple": APPLE,
    "github": GITHUB,
    "microsoft": MICROSOFT,
    "oidc": OIDC,
}
