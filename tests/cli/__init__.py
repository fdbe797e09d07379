"""Tests of the command `idp`."""
