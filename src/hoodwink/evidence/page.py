"""Pages that open offline from one file: inline style and script, named by hash in a policy that forbids everything else."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


def asset(name: str) -> str:
    """The text of a file beside the templates."""
    return resources.files("hoodwink.evidence").joinpath("templates", name).read_text(encoding="utf-8")


def data_uri(data: bytes, kind: str = "image/png") -> str:
    """The bytes as an address that a page can hold."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def render(template: str, style: str, script: str, **values: Any) -> str:
    """Fill a template of this package; style and script are its only ones, and its policy allows nothing else but data: pictures.

    What UTF-8 cannot hold, as in a file's name that is none, is written with a backslash.
    """
    loader = PackageLoader("hoodwink.evidence")
    pages = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    text = pages.get_template(template).render(style=Markup(style), script=Markup(script), policy=_policy(style, script), **values)
    return text.encode(errors="backslashreplace").decode()


def _policy(style: str, script: str) -> str:
    scripts = f"script-src {_hash(script)}; " if script else ""
    return f"default-src 'none'; img-src data:; style-src {_hash(style)}; {scripts}base-uri 'none'; form-action 'none'"


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}'"
