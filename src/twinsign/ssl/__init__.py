"""The paper's section III: losses, momentum contrast with banks, and the pre-training model."""
