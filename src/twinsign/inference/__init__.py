"""From recordings to predictions, embeddings and exported models; and which inputs are unlike the training clips."""
