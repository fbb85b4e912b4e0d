"""Poses: the 49 joints, recordings and their checks, and a reader for each file format (numpy only)."""
