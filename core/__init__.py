"""Everything in Skysift that computes; nothing in here knows a browser."""
