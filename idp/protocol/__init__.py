"""The specifications' words and pure rules: no clock, no I/O, standard library only.

Owns: the error family (`errors`), names and tables of values (`names`), reading parameters (`params`), what a client is
(`client`) and what a person is (`identity`), and the rules on PKCE, scopes, claims and redirect URIs. Does not own: how
any of it is stored, signed, or shown.
"""
