"""Annotation files to clips to pack: one file a dataset, and a user's own poses."""
