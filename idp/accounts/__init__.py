"""Accounts of people: passwords and how they are checked. Later rooms: registration, recovery, linking, second
factors."""
