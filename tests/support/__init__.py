"""What the tests share: real servers, a browser, a guard against the outside network."""
