"""The addresses of what is measured in an object's picture while somebody looks at it."""

from __future__ import annotations

from pages._server.requests import RouteSpec

__all__ = ["MEASURE_ROUTES"]

MEASURE_ROUTES: tuple[RouteSpec, ...] = ()
