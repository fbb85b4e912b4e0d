"""Annotation files to clips to pack: one file a dataset, and a user's own poses.

To add a dataset, write a file NAME.py with a function `NAME(files)` that returns an Annotation (autsl.py is a short
example), a command `pack_NAME` in cli/commands/pack_datasets.py, and its line in cli/registry.py.
"""
