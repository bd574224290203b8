"""What README's numbers come from: each module prints a table and writes JSON."""
