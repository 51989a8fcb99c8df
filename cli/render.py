"""`stadtgrund render`: the deployment as a plain `pygeoapi.yml`, which stock pygeoapi serves with our providers."""

from __future__ import annotations

__all__ = ["command", "configuration", "render"]

from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from cli import context
from cli.console import data, data_json
from cli.output import as_current, as_file
from server.city import City
from stadtgrund.catalog import access, resources
from stadtgrund.catalog.registry import Deployment
from stadtgrund.errors import UsageError, unknown
from stadtgrund.identity import OPEN

_URL = "${PUBLIC_URL:-http://localhost:5000}"
_DSN = "${STADTGRUND_DSN:-}"
_HOST, _PORT = "${STADTGRUND_HOST:-127.0.0.1}", "${STADTGRUND_PORT:-5000}"
_VARIABLES = (_DSN, _HOST, _PORT)
_JOIN = "providers.join.PostGISJoin"
_HEADER = """\
# Geschrieben von `stadtgrund render`; Änderungen gehören in deployment.yml, server.yml und datasets/.
#
# So liefert ein gewöhnlicher pygeoapi 0.24 dieselben Sammlungen aus:
#   export PYGEOAPI_CONFIG=pygeoapi.yml PYGEOAPI_OPENAPI=openapi.yml PUBLIC_URL=http://localhost:5000
#   export STADTGRUND_DSN="$(stadtgrund db url --role {profile})"
#   pygeoapi openapi generate $PYGEOAPI_CONFIG --output-file $PYGEOAPI_OPENAPI && pygeoapi serve
"""


def configuration(deployment: Deployment, profile: str) -> dict[str, Any]:
    """Return what pygeoapi's configuration says for a profile: only collections that it may see, without asking a database.

    Rasters are left out: they have no provider that stock pygeoapi could load.
    """
    shown: dict[str, Any] = {}
    for contract in deployment.contracts.values():
        decision = access.decide(contract, profile)
        if decision.form is None:
            continue
        collection = resources.collection(contract, deployment, decision.form, decision.reason, resources.placeholder())
        resource = resources.resource(collection, _URL, profile=profile, dsn=_DSN, rendered=True)
        if contract.source.kind == "join":
            for provider in resource["providers"]:
                if provider["name"] == resources.FEATURES:
                    provider["name"] = _JOIN
        if resource["providers"]:
            shown[contract.id] = resource
    made = City.read(deployment.folder).pygeoapi(_URL, shown)
    made["server"].pop("templates")  # ours are for our host; and a path of this machine has no place in a committed file
    made["server"] = {"bind": {"host": _HOST, "port": _PORT}, "cors": True, **made["server"]}
    return made


def render(deployment: Deployment, profile: str = OPEN) -> str:
    """Return the text of `pygeoapi.yml`; equal contracts give equal text."""

    class Plain(yaml.SafeDumper):
        """Without aliases: two collections that share a list are two lists to whoever reads the file."""

        def ignore_aliases(self, _: Any) -> bool:
            return True

    def text_of(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        # A "${" that a steward wrote is text: quoted, so that pygeoapi does not put a variable of its process in its place.
        foreign = "${" in value.removeprefix(_URL) and value not in _VARIABLES
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="'" if foreign else None)

    Plain.add_representer(str, text_of)
    # Block style throughout: pygeoapi replaces ${…} in plain scalars only, and in a flow a brace would have to be quoted.
    text = yaml.dump(
        configuration(deployment, profile), Dumper=Plain, allow_unicode=True, sort_keys=False, default_flow_style=False, width=10_000
    )
    return _HEADER.format(profile=profile) + text


def command(
    profile: Annotated[str, typer.Option("--profile", metavar="PROFIL", help="Für wen: open oder verwaltung.")] = OPEN,
    output: Annotated[Path | None, typer.Option("--output", metavar="DATEI", help="Wohin; - ist die Standardausgabe.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Nur prüfen, ob die Datei dem entspricht; Ende mit 1, wenn nicht.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Nur zeigen, was geschrieben würde.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Das Ergebnis als JSON; mit --output - die Konfiguration.")] = False,
) -> None:
    """Die pygeoapi.yml eines Deployments schreiben, ohne Datenbank; sie wird mit eingecheckt.

    Ein gewöhnlicher pygeoapi liefert damit dieselben Sammlungen aus. Adresse und Zugang kommen aus der Umgebung
    (PUBLIC_URL, STADTGRUND_DSN).

    \b
    Beispiel: stadtgrund render
              stadtgrund render --check
              stadtgrund render --profile verwaltung --output -
    """
    deployment = context.deployment()
    if profile not in deployment.profiles:
        raise UsageError(unknown("profile", profile, deployment.profiles, german="Profil"))
    text = render(deployment, profile)
    path = output or deployment.folder / ("pygeoapi.yml" if profile == OPEN else f"pygeoapi.{profile}.yml")
    if str(path) == "-":
        if as_json:
            data_json(configuration(deployment, profile))
        else:
            data(text.rstrip("\n"))
    elif check:
        as_current(path, text, as_json=as_json, remedy="stadtgrund render")
    else:
        as_file(path, text, dry_run=dry_run, as_json=as_json, profile=profile)
