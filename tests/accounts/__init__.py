"""Whose account an arrival is: the rules alone, on one database, without HTTP."""
