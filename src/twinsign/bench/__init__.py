"""How fast a recipe is on this machine: rates of its stages beside the peak of matrix products in the same run."""
