"""What a model says of recordings: predictions, embeddings, exported models, and which inputs are unlike its own."""
