"""How a model learns to aggregate: training data, rewards, reinforcement learning."""
