"""Draw rows: as pictures, contact sheets and thumbnails."""
