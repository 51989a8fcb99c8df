"""Pages for people: pygeoapi's templates by their names, ours before them, a deployment's own before ours.

Nothing is loaded from another host: style sheet and all else come with the page or from `/static`.
"""

from __future__ import annotations

__all__ = ["HTML", "Pages"]

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pygeoapi
from babel import Locale
from jinja2 import Environment, FileSystemLoader, Undefined, select_autoescape
from pygeoapi import l10n

import stadtgrund
from server.caching import build
from server.city import TEMPLATES
from server.host import Snapshot
from server.sketch import sketch
from server.spelling import crs_code, spell_crs, spell_day, spell_moment, spell_number, spell_value
from server.texts import GERMAN

HTML = "text/html; charset=utf-8"
"""Media type of a page."""
_SCHEMES = ("", "http", "https", "mailto", "tel")
_INVISIBLE = {code: None for code in range(0x21)}
"""What browsers take out of an address before they look at its scheme."""
_STOCK = Path(pygeoapi.__file__).with_name("templates")


class Pages:
    """Renders templates; an environment a language is made once."""

    def __init__(self, own: Path | None) -> None:
        self._folders = [str(folder) for folder in (own, TEMPLATES, _STOCK) if folder]
        self._environments = {language: self._environment(language) for language in ("de", "en")}

    def _environment(self, language: str) -> Environment:
        made = Environment(
            loader=FileSystemLoader(self._folders),
            extensions=["jinja2.ext.i18n"],
            autoescape=select_autoescape(default=True),
            undefined=Undefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

        def translated(text: str) -> str:
            return GERMAN.get(text, text) if language == "de" else text

        def translated_number(one: str, many: str, number: int) -> str:
            return translated(one if number == 1 else many)

        made.install_gettext_callables(translated, translated_number, newstyle=True)  # type: ignore[attr-defined]
        made.filters["number"] = lambda value: spell_number(value, language)
        made.filters["day"] = lambda moment: spell_day(moment, language)
        made.filters["moment"] = lambda moment: spell_moment(moment, language)
        made.filters["shown"] = lambda value, field: spell_value(value, field, language)
        made.filters["crs"] = lambda crs: spell_crs(crs, language)
        made.filters["code"] = crs_code
        made.filters["path"] = lambda url: urlsplit(url).path.rstrip("/")
        made.filters["link"] = _link
        made.filters["to_json"] = lambda value: json.dumps(value, ensure_ascii=False, default=str)
        made.globals["sketch"] = sketch
        return made

    def render(self, template: str, snapshot: Snapshot, language: str, data: Any, asked: Mapping[str, str]) -> bytes:
        """Return the page of a template, with pygeoapi's variables: `config`, `data`, `locale`, `version`.

        `asked` are the query parameters, which the same page in the other language has too.
        """
        return self.render_with(snapshot.api.config, template, language, data, asked)

    def render_with(self, config: Any, template: str, language: str, data: Any, asked: Mapping[str, str]) -> bytes:
        """Return the page of a template with a configuration of pygeoapi's."""
        made = self._environments[language].get_template(template)
        other = "en" if language == "de" else "de"
        text = made.render(
            config=_config(config, language),
            data=data,
            locale=language,
            version=stadtgrund.__version__,
            build=build(),
            other=other,
            switch=urlencode({**asked, "f": "html", "lang": other}),
        )
        return text.encode(errors="replace")


def _config(config: Any, language: str) -> Any:
    """Return pygeoapi's configuration in one language, without the resources: what a page may say of them is in `data`."""
    return l10n.translate_struct({key: value for key, value in config.items() if key != "resources"}, Locale(language), True)


def _link(address: Any) -> str:
    """Return an address that a page may link: one that runs a script or is no text leads nowhere."""
    text = str(address or "").strip()
    try:
        scheme = urlsplit(text.translate(_INVISIBLE)).scheme
    except ValueError:
        return "#"
    return text if scheme in _SCHEMES else "#"
