import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread():
    """Several threads only wait for each other on small images. Their number is the process's."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
