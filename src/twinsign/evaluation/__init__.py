"""How good a model is: accuracies with intervals, calibration, open-set recognition, retrieval, significance."""
