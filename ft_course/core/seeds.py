"Draws that come out the same again."
import contextlib
import random
import sys


@contextlib.contextmanager
def seeded(
    seed: int,  # any integer; the same seed gives the same draws
):
    """Within the block Python, NumPy and PyTorch (where they are loaded) draw from `seed`;
    afterwards their states are as they were."""
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    states = random.getstate(), numpy and numpy.random.get_state(), torch and torch.get_rng_state()
    cuda = torch.cuda.get_rng_state_all() if torch and torch.cuda.is_available() else None
    random.seed(seed)
    if numpy: numpy.random.seed(seed % 2**32)
    if torch: torch.manual_seed(seed)
    try: yield
    finally:
        random.setstate(states[0])
        if numpy: numpy.random.set_state(states[1])
        if torch: torch.set_rng_state(states[2])
        if cuda: torch.cuda.set_rng_state_all(cuda)
