"""Large images of the sky: tiles with their WCS, cutouts, sources in them."""

# The readers use these modules, which use those of the readers that decode one file: whoever comes
# first, the readers begin.
import core.survey.readers  # noqa: F401
