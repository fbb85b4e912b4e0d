"""What is wrong with a pack, seen before training: a streaming look at every clip, and a table of checks on it."""
