"""One run on many machines: Ray places, starts and restarts the workers; here is what they do and what they send."""
