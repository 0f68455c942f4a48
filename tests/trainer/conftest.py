import pytest


@pytest.fixture
def one_thread():
    """Compute with one thread: other tests run on the other core, and sums keep their order."""
    torch = pytest.importorskip("torch", reason="the trainer extra is not installed")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
