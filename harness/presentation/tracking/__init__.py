"""Records as the stores of experiment trackers have them: MLflow, Weights & Biases, TensorBoard."""
