"""The name by which verifiers finds `selfagg.training.environment`: its ids are modules, not paths into packages."""

from selfagg.training.environment import OneCall, Prompts, RSAEnv

__all__ = ["OneCall", "Prompts", "RSAEnv"]
