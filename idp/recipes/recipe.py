"""What a recipe is: what is asked, how the client is registered, which files to paste, and what comes after.

Owns the shapes alone. Each kind is a module with one literal RECIPE; the files are under `files/<kind>/`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from idp.protocol.scopes import Api


@dataclass(frozen=True, slots=True)
class Question:
    """One thing to find out: the option that gives it, and the sentence that asks for it on a terminal.

    `is_list`: several may be given; `is_optional`: an empty answer means none; `default` is offered; `is_root`: a URL
    without a path.
    """

    option: str
    sentence: str
    is_list: bool = False
    is_optional: bool = False
    default: str | None = None
    is_root: bool = False


@dataclass(frozen=True, slots=True)
class Answers:
    """What was found out. `urls`: base URLs without a slash at the end, the first is the one in the files; `scheme`: a
    private-use URI scheme; `links`: claimed https redirect URIs; `apis`: those that its access tokens are for."""

    name: str
    urls: tuple[str, ...] = ()
    scheme: str | None = None
    links: tuple[str, ...] = ()
    apis: tuple[Api, ...] = ()


@dataclass(frozen=True, slots=True)
class RecipeFile:
    """One file to paste. `path`: where it goes in the project; `template`: its name under `files/<kind>/`, when it is
    not the path; `what`: one sentence."""

    path: str
    what: str
    template: str | None = None

    @property
    def source(self) -> str:
        return self.template or self.path


@dataclass(frozen=True, slots=True)
class Recipe:
    """One kind of application. `settings`: members of its Client, or None for an API, which needs no client;
    `is_public`: it can keep no secret; `redirect_paths`: what its redirect URIs add to its base URL; `after`: what to
    do next, one sentence each; `page`: its page under `docs/integrate/`."""

    kind: str
    title: str
    what: str
    questions: tuple[Question, ...]
    files: tuple[RecipeFile, ...]
    after: tuple[str, ...]
    page: str
    settings: Callable[[Answers], Mapping[str, Any]] | None = None
    is_public: bool = False
    redirect_paths: tuple[str, ...] = ()

    @property
    def is_at_root(self) -> bool:
        """Whether its base URL has no path, because its library would take one for the path of its own addresses."""
        return any(question.is_root for question in self.questions)

    @property
    def is_api(self) -> bool:
        return self.settings is None


@dataclass(frozen=True, slots=True)
class Snippet:
    """A finished file. `language` names how it is written, such as `ts` or `env`; `is_private`: it holds a secret."""

    path: str
    language: str
    what: str
    content: str
    is_private: bool
