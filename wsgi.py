"""The WSGI entry: `gunicorn wsgi:app` serves with `gunicorn.conf.py`; every setting comes from the environment."""

import sys

from idp import create_app
from idp.settings import ConfigurationError
from idp.startup import load_server_settings

try:
    app = create_app(load_server_settings())
except ConfigurationError as error:
    sys.exit(str(error))
