"""Tokens: what stands in them, how they are read back, and the only place that mints (`issue`).

Owns access tokens (RFC 9068), ID tokens (OpenID Connect Core §2) and refresh tokens. Does not own who may have one: the
grants prove that, and hand over an `Authorization`.
"""
