"""Callbacks for `fit`: what goes on beside training."""
