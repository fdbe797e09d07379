"""Every setting, once: its type, its default, its meaning, and the environment variable `IDP_<NAME>` that sets it.

Values come from the environment, then from a `.env` file in the working folder, then from the defaults in `fields`. A
setting that holds a secret can also be given as `IDP_<NAME>_FILE`, a path whose content is the value. All mistakes are
named at once. `docs/settings.md` and `.env.example` are generated from here.

- `values`    the kinds of value, and how each is written in a variable
- `upstream`  connections with other providers, `IDP_UPSTREAM_<NAME>_<OPTION>`
- `captcha`   what settings of a CAPTCHA must go together
- `mail`      what settings of mail must go together
- `fields`    all other settings: `IDP_<NAME>`
- `sources`   environment, `.env`, files of secrets, the secret that development makes
- `loading`   `load_settings`, and what production refuses
"""

from idp.settings.fields import PREFIX, VARIABLES, Settings, is_secret
from idp.settings.loading import (
    MINIMUM_PRODUCTION_ARGON2_KIB,
    ConfigurationError,
    is_strong_secret,
    load_settings,
    production_problems,
)
from idp.settings.upstream import (
    OPTIONS,
    UPSTREAM_PREFIX,
    UpstreamSettings,
    connection_name,
    connection_variable,
    in_order,
)
from idp.settings.values import LOOPBACK_HOSTS, holds_secret

__all__ = [
    "LOOPBACK_HOSTS",
    "MINIMUM_PRODUCTION_ARGON2_KIB",
    "OPTIONS",
    "PREFIX",
    "UPSTREAM_PREFIX",
    "VARIABLES",
    "ConfigurationError",
    "Settings",
    "UpstreamSettings",
    "connection_name",
    "connection_variable",
    "holds_secret",
    "in_order",
    "is_secret",
    "is_strong_secret",
    "load_settings",
    "production_problems",
]
