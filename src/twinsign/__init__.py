"""twinsign: recognise signs from pose sequences, learning mostly from unlabelled recordings."""

import os

# Threads that wait by spinning starve each other beside a busy neighbour (docs/design.md); a setting of one's own wins.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.1.0"
