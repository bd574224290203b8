"""Large images of the sky: tiles with their WCS, cutouts, sources in them."""
