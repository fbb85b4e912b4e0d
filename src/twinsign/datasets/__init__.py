"""From annotation files, or from nothing (synthetic), to samples: one file a dataset."""
