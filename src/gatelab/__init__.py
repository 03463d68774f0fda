"""gatelab: a laboratory for the gates of recurrent networks."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gatelab.language import Variant
    from gatelab.language import load_variant as variant
    from gatelab.layers.rnn import RNN

__all__ = ["RNN", "Variant", "__version__", "variant"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # importing torch takes seconds, and the catalogue or a configuration error needs none of it
    if name == "RNN":
        from gatelab.layers.rnn import RNN

        return RNN
    if name == "Variant":
        from gatelab.language import Variant

        return Variant
    if name == "variant":
        from gatelab.language import load_variant

        return load_variant
    raise AttributeError(f"module 'gatelab' has no attribute '{name}'")
