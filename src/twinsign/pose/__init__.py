"""Poses: the 49 joints, one recording, crops of hands and trunk, and a reader for each file format (numpy only)."""
