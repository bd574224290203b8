"""Pretraining: the loop, its rules and its state on disk."""
