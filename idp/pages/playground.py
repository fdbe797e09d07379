"""placeholder until written"""

from flask import Blueprint, Response

from idp.web.pages import see_other


def playground() -> Response:
    return see_other("/")


def register(blueprint: Blueprint) -> None:
    blueprint.add_url_rule("/playground", view_func=playground, methods=["GET", "POST"])
