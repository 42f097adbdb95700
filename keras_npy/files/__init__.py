"""What a file says of itself, and how its bytes are had."""
