"""Tests of mail: what it says, how it is kept, and how it reaches a real SMTP server on loopback."""
