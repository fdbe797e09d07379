"""The load bench behind `scripts/bench`: starts servers of its own on loopback and measures what each request costs.

`budgets` what each operation may cost · `prepare` the data a server starts from · `servers` start, stop and weigh a
server · `connection` HTTP with little work of its own · `operations` the requests · `load` drives them · `signatures`
the bare RSA cost · `floor` the bare web server's cost · `report` tables and JSON.
"""
