"""Settings for `gunicorn wsgi:app`, the same that `idp serve` uses: idp/cli/serving.py says what and why.

Everything comes from the environment (docs/settings.md); options on gunicorn's command line win.
"""

import gc
import sys

from idp.cli.serving import gunicorn_options
from idp.settings import ConfigurationError
from idp.startup import load_server_settings

gc.disable()  # what start-up makes stays; before the first worker is forked `serving` turns it on again
try:
    globals().update(gunicorn_options(load_server_settings()))
except ConfigurationError as error:
    sys.exit(str(error))
