"""What a machine makes of a recipe: rates of its stages beside the matrix products' peak, measured in the same run."""
