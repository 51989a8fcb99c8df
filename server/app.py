"""`create_app(settings)`: the ASGI application, its layers in one visible order and its routes in one table."""

from __future__ import annotations

__all__ = ["App", "create_app"]

import asyncio
import logging

from starlette.routing import Route, Router

from server.answer import ASGIApp, Receive, Scope, Send
from server.auth import AuthLayer, KeyRing
from server.call import Endpoint, Handler
from server.city import City
from server.compression import CompressionLayer
from server.dispatch import Dispatcher
from server.documents import Documents
from server.doors import Doors, static
from server.errorpages import ErrorPage
from server.files import Files
from server.host import Profile
from server.items import Items
from server.layers import CorsLayer, LimitsLayer, LogLayer, PathLayer, ProblemLayer
from server.openapi import OpenApi
from server.pages import Pages
from server.planner import Planner
from server.processes import Execution, Processes
from server.processes import openapi_paths as process_paths
from server.styling import Styling
from server.tiles import Tiles
from server.tilesets import Tilesets
from stadtgrund import identity
from stadtgrund.errors import NotFound, StadtgrundError
from stadtgrund.identity import Principal
from stadtgrund.settings import Settings
from stadtgrund.store.database import Database

log = logging.getLogger(__name__)

PROFILES = (identity.OPEN, identity.VERWALTUNG)


class App:
    """The application. Pools open with the first request of their profile, that of `open` at start when the database is there."""

    def __init__(self, settings: Settings) -> None:
        city = City.read(settings.deployment.config)
        database = Database.open(settings, settings.deployment.name, start=False)
        base_url = settings.server.public_url
        size = settings.database.pool_max
        self.profiles = {name: Profile(name, database.pool(name, size), city, base_url) for name in PROFILES}
        self.dispatcher = Dispatcher()
        pages = Pages(city.templates)
        documents = Documents(self.dispatcher, pages)
        tilesets = Tilesets(documents)
        items = Items(pages)
        tiles = Tiles()
        doors = Doors(documents)
        files = Files(database.paths.files)
        self.processes = Processes(documents, settings)
        openapi = OpenApi(documents, process_paths() if self.processes.offered else {})
        planner = Planner(city, settings.deployment.config, self.processes)
        styling = Styling(city, documents, planner.file)
        documents.more_links += [self.processes.links, styling.links]

        def route(path: str, handler: Handler) -> Route:
            return Route(path, Endpoint(handler, self.profiles))

        collection = "/collections/{dataset}"
        matrix_set = collection + "/tiles/{tms}"
        self.routes = [
            # What is asked most stands first: the router goes through them in order.
            route(matrix_set + "/{z}/{y}/{x}", tiles.tile),
            route(collection + "/items", items.page),
            route(collection + "/items/{fid:path}", items.item),
            route("/", documents.landing),
            route("/conformance", documents.conformance),
            route("/api", openapi.document),
            route("/openapi", openapi.document),
            route("/collections", documents.collections),
            route(collection, documents.collection),
            route(collection + "/schema", documents.schema),
            route(collection + "/queryables", documents.queryables),
            route(collection + "/sortables", documents.sortables),
            route(collection + "/api", openapi.collection),
            route(collection + "/files/{name}", files.file),
            route(collection + "/tiles", tilesets.of_collection),
            route(matrix_set, tilesets.tileset),
            route(matrix_set + "/metadata", tilesets.metadata),
            route("/tileMatrixSets", tilesets.matrix_sets),
            route("/tileMatrixSets/{tms}", tilesets.matrix_set),
            route("/styles", styling.styles),
            route("/styles/{dataset}", styling.style),
            route("/processes", self.processes.processes),
            route("/processes/{process}", self.processes.process),
            Route("/processes/{process}/execution", Execution(self.processes, self.profiles)),
            route("/viewer", planner.page),
            route("/viewer/config.json", planner.config),
            route("/viewer/vendor/{name}", planner.vendor),
            route("/viewer/{name}", planner.asset),
            route("/qgis.qgz", styling.project),
            route("/start/{door}", doors.door),
            route("/static/{name}", static),
            route("/favicon.ico", static),
        ]
        # Outermost first, as a request passes them. Lifespan events end in `__call__`.
        app: ASGIApp = Router(self.routes, redirect_slashes=False, default=_nowhere)
        app = AuthLayer(app, KeyRing(self._principal))
        app = LimitsLayer(app)
        app = PathLayer(app, settings.server.base_path)
        app = ProblemLayer(app, ErrorPage(pages, city, base_url))
        app = CompressionLayer(app)
        app = CorsLayer(app)
        self._layers = LogLayer(app)

    async def _principal(self, digest: str) -> Principal | None:
        """Ask the database whose key has this SHA-256."""
        open_ = self.profiles[identity.OPEN]
        await open_.start()
        async with open_.connection() as connection, connection.cursor() as cursor:
            await cursor.execute("SELECT label, profile FROM sg.principal(%s)", (digest,))
            row = await cursor.fetchone()
        return Principal(*row) if row and row[1] in self.profiles else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, or the start and end of the process."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        else:
            await self._layers(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        await self.startup()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.shutdown()
        await send({"type": "lifespan.shutdown.complete"})

    async def startup(self) -> None:
        """Open the pool of `open` and read its state; without a database the server starts all the same and answers 503."""
        try:
            await self.profiles[identity.OPEN].snapshot()
        except StadtgrundError as error:
            log.warning("started without a database: %s", error)

    async def shutdown(self) -> None:
        """End the children of processes and the polling, close the pools and the executor."""
        await self.processes.close()
        await asyncio.gather(*(profile.close() for profile in self.profiles.values()))
        self.dispatcher.close()


async def _nowhere(scope: Scope, receive: Receive, send: Send) -> None:
    raise NotFound(f"There is nothing at {scope['path']!r}.", remedy="The landing page links all there is.")


def create_app(settings: Settings) -> App:
    """Return the ASGI application of a deployment.

    Raises
    ------
    ContractError
        deployment.yml or server.yml is wrong.
    SetupError, DatabaseUnavailable
        The database is not set up, or not reachable at start.
    """
    return App(settings)
