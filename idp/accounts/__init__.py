"""Accounts of people: passwords and how they are checked, links to other providers.

Later rooms: registration, recovery, second factors.
"""
