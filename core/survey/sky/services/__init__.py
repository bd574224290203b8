"""Services: the archives that send a cutout or a spectrum for one object. Importing a file here
registers its service."""

from core.survey.sky.services import (  # noqa: F401 (registration)
    hips,
    legacy,
    sdss_images,
    sdss_spectra,
)
from core.survey.sky.services.base import (
    SERVICES,
    Entry,
    Made,
    Service,
    make_service,
    register_service,
)

__all__ = ["SERVICES", "Entry", "Made", "Service", "make_service", "register_service"]
