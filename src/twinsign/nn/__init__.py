"""Architecture only: graphs, graph convolutions, temporal Transformer, encoder and heads."""
