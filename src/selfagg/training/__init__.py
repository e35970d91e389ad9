"""Training of a model to aggregate: training data, rewards, reinforcement learning."""
