"""From the text of kernels to functions that Triton compiles.

Triton reads the source of a function, so the text is a file in the folder of compiled code, named by its content. It is
there to be looked at: what runs is always the text that this process has written itself, never what it finds in a file.
Machine code is kept by Triton, in a folder of its own (TRITON_CACHE_DIR).
"""

import hashlib
import linecache
import sys
from functools import cache
from importlib.abc import ExecutionLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

from gatelab.disk import write_atomically
from gatelab.paths.native.build import cache_directory, unusable

__all__ = ["kernel_module"]


class _Written(ExecutionLoader):
    """A module whose source is a text of this process; no file is read, and no bytecode."""

    def __init__(self, text: str, path: str) -> None:
        self.text, self.path = text, path

    def get_source(self, fullname: str) -> str:
        """Return the text."""
        return self.text

    def get_filename(self, fullname: str) -> str:
        """Return where the text can be looked at."""
        return self.path


@cache
def kernel_module(text: str) -> ModuleType:
    """Return a text that :mod:`gatelab.paths.triton.kernel_text` wrote as a module with its kernels."""
    digest = hashlib.sha256(text.encode()).hexdigest()[:32]
    name = f"gatelab_kernel_{digest}"
    path = _file(text, f"{digest}.py")
    loader = _Written(text, path)
    # inspect reads lines through this cache: it must not look at a file that another process may have changed
    linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)
    spec = spec_from_loader(name, loader, origin=path)
    assert spec is not None
    module = module_from_spec(spec)
    module.__file__ = path
    sys.modules[name] = module  # Triton and inspect find a function's module by its name
    loader.exec_module(module)
    return module


def _file(text: str, name: str) -> str:
    """Write the text where it can be looked at, if there is such a place; return its path."""
    folder = cache_directory()
    if folder is None or unusable(folder):
        return f"<{name}>"
    path: Path = folder / name
    try:
        if not path.is_file() or path.is_symlink() or path.read_text(encoding="utf-8") != text:
            write_atomically(path, text.encode(), mode=0o644)
    except (OSError, ValueError):
        return f"<{name}>"
    return str(path)
