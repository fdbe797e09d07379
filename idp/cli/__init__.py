"""The command `idp`: running the server, and looking after its clients, APIs, people, keys and database.

Owns the words an operator types and the sentences that answer them; every rule stays with the part it belongs to. Each
group of commands is one module, loaded when it is asked for, so that `idp --help` and short commands answer at once.

Exit codes: 0 done; 1 refused, with a plain sentence on standard error (or `{"error": …}` on standard output with
`--json`); 2 not understood.
"""

from importlib import import_module

import click

# name → (module, what it does). Each module has a click command or group called `command`.
COMMANDS: dict[str, tuple[str, str]] = {
    "serve": ("idp.cli.serve", "Run the server."),
    "init": ("idp.cli.init", "Make what the server needs: folders, database, signing keys, demo data."),
    "clients": ("idp.cli.clients", "The applications that people sign in to."),
    "apis": ("idp.cli.apis", "The APIs that access tokens are for, and their scopes."),
    "users": ("idp.cli.users", "The people who sign in."),
    "sessions": ("idp.cli.sessions", "Who is signed in, and signing them out."),
    "mail": ("idp.cli.mail", "The mails to people: whether they can be sent, and what became of them."),
    "keys": ("idp.cli.keys", "The keys that tokens are signed with."),
    "sandbox": ("idp.cli.sandbox", "Stand-ins for other providers, for development."),
    "doctor": ("idp.cli.doctor", "A running deployment looked at from inside and outside: what to mend."),
    "inspect": ("idp.cli.inspect", "Why a request was refused: the check that failed, expected and received."),
    "db": ("idp.cli.db", "The database: its schema, and what has expired."),
}


class CommandTable(click.Group):
    """A group whose commands are named in a table and imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, sentence) for name, (_, sentence) in COMMANDS.items()])


@click.group(cls=CommandTable, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
def main() -> None:
    """An OAuth 2 and OpenID Connect authorization server.

    Settings come from the environment and from `.env` in this folder; docs/settings.md lists them.
    """
