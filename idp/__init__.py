"""idp: a standalone OAuth 2 and OpenID Connect authorization server.

The map of the house; imports point left:

    settings <- protocol <- outbound <- jose <- store <- server <- mail <- tokens <-
        {client_auth grants authorization upstream captcha accounts recipes sandbox} <- web <-
        {endpoints pages} <- create_app

- `settings`       every setting once
- `protocol`       the specifications' words and pure rules
- `outbound`       the guard on every fetch that a client or an admin causes
- `jose`           keys and signatures; the only place that imports joserfc
- `store`          the only SQL and Redis
- `server`         what a request may use, named together
- `mail`           mails to people, and the outbox that sends them
- `tokens`         what stands in tokens; `issue` is the only place that mints
- `client_auth`    METHODS; `grants`: GRANTS; `authorization`: CHECKS, STEPS, RESPONSE_MODES
- `upstream`       PROVIDERS: sign-in with Google, Facebook, Discord, Apple, GitHub, Microsoft, any OpenID provider
- `captcha`        CAPTCHAS: keeping programs out of forms
- `accounts`       people's passwords, registration, recovery, second factors, links to other providers
- `sandbox`        stand-ins for those providers, for development and tests; never loaded in production
- `recipes`        RECIPES: for each kind of application its registration, and the finished files to paste
- `web`            HTTP that endpoints and pages share
- `endpoints`      for machines; `pages`: for people
- `cli`            the command `idp`; `migrations`: the database schema
"""

from collections.abc import Callable
from time import time
from typing import TYPE_CHECKING, Any

from idp.settings import Settings

if TYPE_CHECKING:
    from flask import Flask

__all__ = ["Settings", "create_app"]


def create_app(settings: Settings, *, clock: Callable[[], float] = time) -> "Flask":
    """The WSGI application for these settings. Raises ConfigurationError with every reason not to start."""
    from flask import Flask

    from idp import endpoints, pages, startup, web

    class Application(Flask):
        def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
            """Nothing in here is asynchronous; Flask would look at every function at every call."""
            return func

    app = Application("idp", static_folder="static", template_folder="templates")
    web.log.configure_logs(settings)
    server = startup.make_server(settings, clock=clock)
    app.extensions["idp"] = server
    app.extensions["idp.passwords"] = startup.make_passwords(settings)
    app.extensions["idp.upstreams"] = startup.make_upstreams(settings)
    web.register(app, settings)
    app.register_blueprint(endpoints.blueprint)
    app.register_blueprint(endpoints.authorize_blueprint)
    app.register_blueprint(pages.make_blueprint(settings))
    return app
