"""Inside the graph: from stored values to what a model takes."""
