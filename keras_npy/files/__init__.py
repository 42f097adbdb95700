"""Read what a file says about itself, and fetch its bytes."""
