"""Experiments of several runs: methods at one budget, sweeps over settings, replays of a record."""
