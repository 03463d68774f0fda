"""Random samples of variant, task, path, sizes and options: a stack, stopped or not, has the bits of its runs alone."""

from tests.training.test_every_stack import assert_alone_and_together, assert_stopped_and_regrouped, drawn


def test_stacks(chunk, tmp_path):
    for number in chunk.numbers:
        folder = tmp_path / str(number)
        folder.mkdir()
        with chunk.trial(number):
            several = drawn(number, folder)
            assert_alone_and_together(several, folder)
            assert_stopped_and_regrouped(several, folder, 3 + number % 3)
            chunk.came_to("runs compared", 2 * len(several))
