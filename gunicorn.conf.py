"""Settings for `gunicorn wsgi:app`, the same that `idp serve` uses: idp/cli/serving.py says what and why.

Everything comes from the environment (docs/settings.md); options on gunicorn's command line win.
"""

import sys

from idp.cli.serving import gunicorn_options
from idp.settings import ConfigurationError
from idp.startup import load_server_settings

try:
    globals().update(gunicorn_options(load_server_settings()))
except ConfigurationError as error:
    sys.exit(str(error))
