"""Helpers of selfagg's own modules. Nothing here is public."""
