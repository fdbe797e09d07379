"""For machines: JSON answers, CORS for registered origins, no CSRF, no cookies but at `/authorize`.

Owns the blueprint; each module is one endpoint. `/authorize` has a blueprint of its own, because a browser goes there.
"""

from flask import Blueprint

from idp.endpoints import authorize, discovery, health, introspect, jwks, revoke, token, userinfo
from idp.web.cors import register_cors
from idp.web.errors import MACHINES

__all__ = ["authorize_blueprint", "blueprint"]

blueprint = Blueprint(MACHINES, __name__)
authorize_blueprint = authorize.blueprint

register_cors(blueprint)
blueprint.add_url_rule("/.well-known/openid-configuration", view_func=discovery.openid_configuration)
blueprint.add_url_rule("/.well-known/oauth-authorization-server", view_func=discovery.oauth_authorization_server)
blueprint.add_url_rule("/jwks", view_func=jwks.jwks)
blueprint.add_url_rule("/token", view_func=token.token, methods=["POST"])
blueprint.add_url_rule("/userinfo", view_func=userinfo.userinfo, methods=["GET", "POST"])
blueprint.add_url_rule("/introspect", view_func=introspect.introspect, methods=["POST"])
blueprint.add_url_rule("/revoke", view_func=revoke.revoke, methods=["POST"])
blueprint.add_url_rule("/health", view_func=health.health)
