"""The authorization request: RFC 6749 §4.1.1, OpenID Connect Core §3.1.2, RFC 9700.

Owns the two stages of a request (`request`), the ordered rules (`checks`), what a person must still do (`steps`), an
interrupted request (`interaction`), and how an answer travels back (`response_modes`). Does not own any page.
"""
