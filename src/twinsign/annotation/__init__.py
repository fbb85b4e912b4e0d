"""Long recordings: where signs are in them, what they are, and files that other programs open."""
