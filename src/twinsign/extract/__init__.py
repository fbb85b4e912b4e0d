"""Poses from video: decoding, pose estimators behind one interface, and many videos in parallel (optional extras)."""
