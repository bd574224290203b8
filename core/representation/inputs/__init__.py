"""From native pixels to what a network sees."""
