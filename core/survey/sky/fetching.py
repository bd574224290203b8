"""One object from an archive: asked for and decoded, or the reason why there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.errors import SkysiftError
from core.survey.readers.unreadable import Unreadable
from core.survey.sky.client import Client, Unavailable

if TYPE_CHECKING:
    from core.survey.sky.services import Entry, Made, Service

__all__ = ["fetched"]


def fetched(service: Service, client: Client, entry: Entry) -> Made | str:
    """What an archive has for one object, or why it has nothing, in words that follow its name.

    Raises
    ------
    NotReady
        The service is down.
    Cancelled
        The client was stopped.
    """
    try:
        urls, answers = service.fetch(client, entry)
        try:
            return service.decode(entry, answers)
        except Unavailable as error:
            return str(error)
        except SkysiftError:
            raise
        except Exception as error:
            # Decoders meet hostile bytes and raise anything; the next time asks anew.
            for url in urls:
                client.forget(url)
            if isinstance(error, Unreadable):
                return str(error)
            return f"cannot be decoded ({str(error)[:120] or type(error).__name__})"
    except Unavailable as error:
        return str(error)
