"""Global random generators: everything that training libraries draw from, remembered and put back."""

from __future__ import annotations

import random
from collections.abc import Callable


def remember() -> Callable[[], None]:
    """Remembers where python's, numpy's and torch's generators (all devices) stand; the result puts them back there."""
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
