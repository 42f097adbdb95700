"""Rows by number, whatever they lie in."""
