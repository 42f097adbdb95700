"""Read rows by number, from any kind of source."""
