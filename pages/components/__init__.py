"""Parts that run in the browser, and the thin Python that mounts them."""
