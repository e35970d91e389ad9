"""A laboratory: a tiny language model, made and trained here in minutes, that shows why training to aggregate helps."""
