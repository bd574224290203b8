"""Services: the archives that send a cutout or a spectrum for one object. Importing a file here
registers its service."""

from core.survey.sky.services import hips as hips
from core.survey.sky.services import legacy as legacy
from core.survey.sky.services import sdss_images as sdss_images
from core.survey.sky.services import sdss_spectra as sdss_spectra
from core.survey.sky.services.base import (
    SERVICES,
    Entry,
    Made,
    Service,
    make_service,
    register_service,
)

__all__ = ["SERVICES", "Entry", "Made", "Service", "make_service", "register_service"]
