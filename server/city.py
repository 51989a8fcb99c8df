"""What the server takes from the deployment folder: who runs it, and pygeoapi's own sections. Never a contract.

What is published comes from the database alone, so that a broken contract file cannot stop or change what is served.
"""

from __future__ import annotations

__all__ = ["City"]

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stadtgrund.catalog.contract import Role, Text
from stadtgrund.catalog.registry import DeploymentFile, Documents, ServerFile
from stadtgrund.errors import ContractError, Problem

TEMPLATES = Path(__file__).with_name("templates")
_FILES = ("deployment.yml", "server.yml", "viewer.yml")


@dataclass(frozen=True)
class City:
    """The deployment as the pages name it."""

    title: Text
    description: Text
    contact: Role | None
    owner: Role | None
    box84: tuple[float, float, float, float]
    crs: str
    templates: Path | None
    """The deployment's own templates, which go before ours."""
    sections: Mapping[str, Any]
    """pygeoapi's `server`, `logging` and `metadata` out of server.yml."""
    digest: str
    """Of the deployment's own files that answers are made of: other files, other tags."""

    @classmethod
    def read(cls, folder: Path) -> City:
        """Read deployment.yml and server.yml of a deployment folder.

        Raises
        ------
        ContractError
            With file, line and field.
        """
        documents = Documents(folder)
        city: DeploymentFile | None = None
        server: ServerFile | None = ServerFile()
        if not (folder / "deployment.yml").is_file():
            raise ContractError([Problem("deployment.yml", None, "", f"fehlt in {folder}. Anderer Ordner: --config.")])
        if document := documents.open(folder / "deployment.yml"):
            city = documents.model(document, DeploymentFile)
        if (folder / "server.yml").is_file() and (document := documents.open(folder / "server.yml")):
            server = documents.model(document, ServerFile)
        if city is None or server is None:
            raise ContractError(documents.problems)
        named = (server.server.get("templates") or {}).get("path")
        templates = folder / named if named else None
        return cls(
            title=city.title,
            description=city.description or Text(de=f"Offene Geodaten: {city.title.de}", en=f"Open geodata: {city.title.get('en')}"),
            contact=city.contact or city.responsibility.contact,
            owner=city.responsibility.owner or city.contact,
            box84=city.box,
            crs=city.crs,
            templates=templates,
            sections={"server": server.server, "logging": server.logging, "metadata": server.metadata},
            digest=_digest(folder, templates),
        )

    def pygeoapi(self, base_url: str, resources: dict[str, Any]) -> dict[str, Any]:
        """Return the configuration of a pygeoapi API with these resources: server.yml's sections over our defaults."""
        contact = self.contact or Role(organisation=self.title.de)
        owner = self.owner or contact
        return {
            "server": {
                "mimetype": "application/json; charset=UTF-8",
                "encoding": "utf-8",
                "map": {"url": "", "attribution": ""},
                "limits": {"default_items": 1000, "max_items": 10000},
                **self.sections["server"],
                # These are ours to say: the address is PUBLIC_URL, compression is a layer, and the admin API knows no login.
                "url": base_url,
                "languages": ["de", "en"],
                "gzip": False,
                "admin": False,
                "templates": {"path": str(self.templates or TEMPLATES)},
            },
            "logging": {"level": "ERROR", **self.sections["logging"]},
            "metadata": {
                "identification": {
                    "title": self.title.as_l10n(),
                    "description": self.description.as_l10n(),
                    "keywords": {"de": ["Geodaten", "OGC API"], "en": ["geodata", "OGC API"]},
                    "keywords_type": "theme",
                    "terms_of_service": "",
                    "url": base_url,
                },
                "license": {"name": "", "url": ""},
                "provider": {"name": owner.organisation, "url": owner.url or base_url},
                "contact": {
                    "name": " · ".join(filter(None, (contact.organisation, contact.unit))),
                    "email": contact.email or "",
                    "phone": contact.phone or "",
                    "url": contact.url or "",
                },
                **self.sections["metadata"],
            },
            "resources": resources,
        }


def _digest(folder: Path, templates: Path | None) -> str:
    named = [(name, folder / name) for name in _FILES]
    if templates:
        named += sorted((path.relative_to(templates).as_posix(), path) for path in templates.rglob("*"))
    found = [(name, hashlib.sha256(path.read_bytes()).hexdigest()) for name, path in named if path.is_file()]
    return hashlib.sha256(repr(found).encode()).hexdigest()[:16]
