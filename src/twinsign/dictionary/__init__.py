"""A dictionary of signs from a few recordings each: the store, its entries, lookup and calibrated confidences."""
