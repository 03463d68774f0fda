"""What is told of the steps of a fit: Lightning's hooks as far as they are used, without Lightning."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gatelab.training.stack_module import StackModule

__all__ = ["Watcher"]


class Watcher:
    """Hears of the steps of a stack; this class ignores them.

    Where steps are compiled, several are told as one.
    """

    def on_train_start(self, module: "StackModule") -> None:
        """Hear that steps are about to be taken."""

    def on_train_batch_start(self, module: "StackModule") -> None:
        """Hear that a step is about to be taken."""

    def on_train_batch_end(self, module: "StackModule") -> None:
        """Hear that steps were taken."""

    def on_train_end(self, module: "StackModule") -> None:
        """Hear that no further step is taken."""

    def on_exception(self, module: "StackModule", error: BaseException) -> None:
        """Hear that an error, or a request to stop, ends the fit."""

    def on_validation_start(self, module: "StackModule") -> None:
        """Hear that a validation begins."""

    def on_validation_batch_start(self, module: "StackModule") -> None:
        """Hear that a batch of validation is about to be evaluated."""

    def on_validation_end(self, module: "StackModule") -> None:
        """Hear that every run has been judged."""

    def on_test_start(self, module: "StackModule") -> None:
        """Hear that the test begins."""

    def on_test_batch_start(self, module: "StackModule") -> None:
        """Hear that a batch of the test is about to be evaluated."""
