"""The one place where our errors and psycopg's become pygeoapi's, so that its API layer answers with the right status."""

from __future__ import annotations

__all__ = ["as_provider_error", "bridged"]

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

import psycopg
import psycopg_pool
from pygeoapi.provider.base import ProviderGenericError, ProviderItemNotFoundError

from stadtgrund import errors

LOGGER = logging.getLogger(__name__)

# Most specific class first. Code and status are what pygeoapi's exceptions document carries.
_STATUS: tuple[tuple[type[errors.StadtgrundError], HTTPStatus, str], ...] = (
    (errors.UsageError, HTTPStatus.BAD_REQUEST, "InvalidParameterValue"),
    (errors.NotFound, HTTPStatus.NOT_FOUND, "NotFound"),
    (errors.NotAcceptable, HTTPStatus.NOT_ACCEPTABLE, "NotAcceptable"),
    (errors.Unauthorized, HTTPStatus.UNAUTHORIZED, "Unauthorized"),
    (errors.TooLarge, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "TooLarge"),
    (errors.TransientError, HTTPStatus.SERVICE_UNAVAILABLE, "ServiceUnavailable"),
)


def as_provider_error(error: errors.StadtgrundError) -> ProviderGenericError:
    """Return pygeoapi's counterpart of `error`, with its status; what is not the client's business gets a fixed text."""
    for kind, status, code in _STATUS:
        if isinstance(error, kind):
            # pygeoapi answers an unknown item by this class, tiles look for it too
            base = ProviderItemNotFoundError if kind is errors.NotFound else ProviderGenericError
            made: ProviderGenericError = base(str(error), user_msg=str(error))
            made.http_status_code, made.ogc_exception_code = status, code
            return made
    return ProviderGenericError(str(error), user_msg="The server could not answer; its log says why.")


def _of_database(error: psycopg.Error) -> errors.StadtgrundError:
    match error:
        case psycopg.errors.QueryCanceled():
            return errors.StatementTimeout("The query took too long and was cancelled.", remedy="Ask for a smaller area or fewer features.")
        case psycopg.errors.DataError():
            # A value that PostgreSQL refuses and that our own validation let pass is the client's, not a failure of ours.
            return errors.UsageError(f"A value of the query is not valid: {error.diag.message_primary or 'out of range'}.")
        case psycopg.OperationalError() | psycopg.InterfaceError():
            return errors.DatabaseUnavailable("The database does not answer.", remedy="Try again in a few seconds.")
        case _:
            return errors.StadtgrundError(f"{type(error).__name__}: {error}")


@contextmanager
def bridged() -> Iterator[None]:
    """Turn every error that we can name into pygeoapi's; SQL and addresses go to the log only."""
    try:
        yield
    except errors.StadtgrundError as error:
        raise as_provider_error(error) from error
    except (psycopg.Error, psycopg_pool.PoolTimeout) as error:
        LOGGER.error("%s: %s", type(error).__name__, error)
        raise as_provider_error(_of_database(error)) from error
