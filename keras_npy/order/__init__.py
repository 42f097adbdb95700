"""Which rows, in which batch, of which pass: integers only."""
