"""JOSE: everything that is signed, verified or encrypted; the only room that imports joserfc.

=================  ============================================================================
``algorithms``     the literal tables: what we sign with, what clients may sign with
``compact``        the strict reading of a compact JWS: one token in, header, claims, signature out
``key_pair``       one signing key: its dates, its state at a moment, its key material
``rotation``       the rules of promotion and retirement, without files and without a clock
``key_directory``  our keys on disk: made, rotated, retired, pruned, under a lock
``signing_keys``   the view of one process on that directory: what signs, what verifies, the JWKS
``jws``            tokens signed by us: sign, verify, peek
``client_jwks``    a client's JWKS: what may be registered, which key may verify what
``client_keys``    tokens signed by clients: with a JWKS, registered or fetched, or with a secret
``pem``            one private key that somebody gives us
``encryption``     small secrets at rest, and deterministic values derived from the server's secret
=================  ============================================================================

Nothing here reads a setting, a request or the wall clock: values come in as arguments, ``now`` in
seconds since the epoch. Expiry, audience and issuer of a token are the caller's business.
"""
