"""Two processes that share the batches learn, and score, what one alone would."""

import pytest
import torch
import two_processes
from processes import running

LAUNCH = "-m torch.distributed.run --standalone --nproc-per-node=2 tests/two_processes.py"
TIMEOUT = 60  # seconds, in case one waits for the other in vain


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """Give the results of a case by process."""
    folder = tmp_path_factory.mktemp("results")
    with running(*LAUNCH.split(), folder) as process:
        output, _ = process.communicate(timeout=TIMEOUT)

    def results(case):
        files = [folder / f"{case.__name__}-{rank}.pt" for rank in (0, 1)]
        assert all(file.exists() for file in files), output
        return [torch.load(file, weights_only=True) for file in files]

    return results


@pytest.fixture
def alone():
    """The engine of a single process."""
    return two_processes.join(processes=1)


def test_each_process_has_the_gradients_of_the_whole_batch(together, alone):
    expected = two_processes.uneven_gradients(alone)
    for gradients in together(two_processes.uneven_gradients):
        assert gradients.keys() == expected.keys()
        for name, gradient in gradients.items():
            largest = expected[name].abs().max()
            torch.testing.assert_close(gradient / largest, expected[name] / largest, msg=name)


def test_each_process_has_the_mean_loss_of_all_pictures(together, alone):
    expected = two_processes.epoch_loss(alone)
    assert together(two_processes.epoch_loss) == [pytest.approx(expected, rel=1e-5)] * 2


def test_a_process_without_a_picture_has_the_loss_and_the_confusion_of_all(together, alone):
    loss, confusion = two_processes.validation_of_one_picture(alone)
    for other_loss, other_confusion in together(two_processes.validation_of_one_picture):
        assert other_loss == pytest.approx(loss, rel=1e-5)
        assert torch.equal(other_confusion, confusion)


def test_what_is_scored_after_training_is_the_network_of_the_first_process(together, alone):
    (loss, confusion, kept), second = together(two_processes.validation_after_training)
    learner = two_processes.new_learner(alone)
    learner.network.load_state_dict(kept)
    expected_loss, expected_confusion = two_processes.score(alone, 5, learner)
    assert loss == second[0] == pytest.approx(expected_loss, rel=1e-5)
    assert torch.equal(confusion, expected_confusion)
    assert torch.equal(second[1], expected_confusion)


def test_pixels_are_counted_one_by_one_beyond_what_a_float_can(alone):
    # Two batches with one pixel more than float32 counts.
    many = 2**24 + 1
    image, mask = torch.zeros(1, 3, 32, 32), torch.zeros(1, 32, 32, dtype=torch.int64)
    _, confusion = two_processes.validate(
        two_processes.new_learner(alone),
        [(image, mask)] * 2,
        two_processes.segmentation_loss,
        lambda truth, _: bool(truth.numel()) * torch.tensor([[many, 1], [0, 0]]),
    )
    assert confusion.tolist() == [[2 * many, 2], [0, 0]]
