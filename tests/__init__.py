"""The promises of the server, written as tests. ``tests/support`` holds what they share."""
