"""What every command shares: the option `--json`, and errors as plain sentences with exit code 1.

Owns the list of errors that an operator can cause and read. Everything else is a defect and keeps its stack trace.
"""

import json
from typing import Any

import click

_AS_JSON = "idp.as_json"


class Refused(click.ClickException):
    """The command cannot be done, and the sentence says why. Exit code 1, or 2 for something mistyped."""

    def __init__(self, message: str, *, as_json: bool | None = None, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]
        self._as_json = is_json() if as_json is None else as_json

    def show(self, file: Any = None) -> None:
        if self._as_json:
            click.echo(json.dumps({"error": self.message}, ensure_ascii=False))
        else:
            click.echo(self.message, file=file, err=file is None)


class Command(click.Command):
    """A command with `--json` that never answers a mistake with a stack trace."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(
            click.Option(
                ["--json"],
                is_flag=True,
                is_eager=True,
                expose_value=False,
                callback=_remember_json,
                help="Answer in JSON, errors too.",
            )
        )

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        given = list(args)
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            if "--json" not in given:
                raise
            raise Refused(error.format_message(), as_json=True, exit_code=2) from None

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            sentence = find_sentence(error)
            if sentence is None:
                raise
            raise Refused(sentence) from None


class KeyCommand(Command):
    """A command whose argument is a random key, which may begin with a hyphen as an option does."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        known = {name for parameter in self.get_params(ctx) for name in (*parameter.opts, *parameter.secondary_opts)}
        keys = [arg for arg in args if arg.startswith("-") and arg.partition("=")[0] not in known]
        if keys and "--" not in args:
            args = [*(arg for arg in args if arg not in keys), "--", *keys]
        return super().parse_args(ctx, args)


class Group(click.Group):
    """A group of such commands."""

    command_class = Command


def is_json() -> bool:
    """Whether the running command was asked to answer in JSON."""
    ctx = click.get_current_context(silent=True)
    return ctx is not None and ctx.meta.get(_AS_JSON) is True


def find_sentence(error: Exception) -> str | None:
    """The sentence for an error that an operator can mend; None for a defect of ours. Never a secret in it."""
    from sqlalchemy.exc import SQLAlchemyError

    from idp.jose.client_jwks import InvalidKeys
    from idp.jose.key_pair import KeyDirectoryError
    from idp.protocol.errors import OAuthError
    from idp.settings import ConfigurationError
    from idp.store.database import DatabaseUrlError

    if isinstance(error, ConfigurationError | KeyDirectoryError | InvalidKeys | OAuthError):
        return str(error)  # of an OAuthError its public description
    if isinstance(error, DatabaseUrlError):
        return f"IDP_DATABASE_URL: {error}"
    if isinstance(error, SQLAlchemyError):  # its text may hold what was written, so only its kind is told
        return f"The database could not do this ({type(getattr(error, 'orig', None) or error).__name__})."
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}." if error.filename else f"{error.strerror}."
    return None


def _remember_json(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value:
        ctx.meta[_AS_JSON] = True
