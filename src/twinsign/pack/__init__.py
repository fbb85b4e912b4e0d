"""The store: poses of many clips in one Arrow IPC file, memory-mapped, ragged, one row a clip."""
