"""What the names of files say: whose partners they are, of what time, of which series."""
