"""Decide which rows go into which batch of which pass: integers only."""
