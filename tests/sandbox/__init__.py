"""The stand-ins, each seen by independent clients: requests, Authlib, PyJWT."""
