"""The OpenAI API in front of RSA: ``selfagg serve``."""
