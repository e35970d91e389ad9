"""Global random generators: everything that training libraries draw from, remembered and put back."""

from __future__ import annotations

import random
from collections.abc import Callable


def remember() -> Callable[[], None]:
    """Save the states of the generators of python, numpy and torch (all devices); return a function to restore them."""
    import numpy as np
    import torch

    python, numpy, cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []

    def put_back() -> None:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(cpu)
        if cuda:
            torch.cuda.set_rng_state_all(cuda)

    return put_back
