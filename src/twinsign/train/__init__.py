"""Training: pre-training, fine-tuning and the linear protocol, their loop, optimiser and checkpoints."""
