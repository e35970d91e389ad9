"""The demo: RSA with a tiny model that the lab trained, live, on the CPU, without PyTorch."""
