"""Stand-ins for Google, Facebook, Discord, Apple, GitHub, Microsoft and a plain OpenID Connect provider, on loopback.

For development and tests, so that signing in with another provider works without internet, credentials or consoles.
Each one is an HTTP server of its own that speaks its original's wire format; every fixed ``https://HOST/PATH`` of the
original is found at ``{origin}/HOST/PATH``. Nothing is stored: with the process, all its people are forgotten.

=================  =====================================================================================
``connections``    what a server must be configured with to use them: settings, environment, Apple's key
``servers``        the seven servers: started together, ended together
``desk``           what a provider is made of, and the state of one stand-in
``chooser``        the page on which a person is chosen, and a fault if one is wanted
``people``         who can be chosen
``faults``         the table of what can be made to go wrong, and the going wrong
``codes``          authorization codes and access tokens, each bound to one sign-in
``clients``        the applications that the stand-ins know, and how these prove who they are
``exchange``       the token endpoint, as far as it is the same everywhere
``signing``        rotating keys, their JWKS, and signatures that must be refused
``id_tokens``      the id_token of one sign-in, with its fault
``answers``        JSON, and the way back to the application
``captcha``        the verify endpoints of CAPTCHA vendors, at the plain OpenID Connect provider's address
``google`` …       one module per provider: its endpoints, bodies, claims and errors
=================  =====================================================================================

No server that real people use ever loads this room: only `idp sandbox`, `idp serve` in development, and tests do.
"""
