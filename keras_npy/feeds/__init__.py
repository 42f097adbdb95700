"""From rows to a backend: planned, gathered ahead, in memory that is used again."""
