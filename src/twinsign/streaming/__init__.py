"""Signs in a stream of frames: where each begins and ends."""
