"""Views of clips as tensors on the model's device: temporal crop, augmentation, motion, batches."""
