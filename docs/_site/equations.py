"""Equations, typeset in the browser by a KaTeX that stands beside the pages, on those pages that have any.

KaTeX is not in this repository: `python -m docs._site.equations` fetches it with npm into .venv, checks its hash, and
keeps the script, the style and the fonts (0.7 MB).
"""

import base64
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ConfigError
from sphinx.writers.html5 import HTML5Translator

PACKAGE = "katex@0.19.1"
SHA512 = "jG8uKntjSEcm2EpQOh0XturpPuuC9r3Sq5HLHdsFdWZT27E672SF19QEi+of0/YeOy15lDgRhKvr5614uRrEfA=="
FOLDER = Path(__file__).parents[2] / ".venv" / "site" / PACKAGE
KEPT = {"dist/katex.min.js": "katex", "dist/katex.min.css": "katex", "LICENSE": "katex", "dist/fonts/": "katex/fonts"}
"""Path in the package -> folder; of the fonts only woff2, which every browser reads."""


def fetch() -> None:
    """Fetch KaTeX, unless it is here."""
    if FOLDER.exists():
        return
    FOLDER.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER.parent) as folder:
        archive = _packed(Path(folder))
        if base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode() != SHA512:
            sys.exit(f"docs: what npm fetched as {PACKAGE} has another hash than docs/_site/equations.py names")
        with tarfile.open(archive) as content:
            for member in content:
                _keep(content, member, Path(folder) / "kept")
        (Path(folder) / "kept").rename(FOLDER)  # whole or not at all


def _packed(folder: Path) -> Path:
    command = ["npm", "pack", PACKAGE, "--silent", "--pack-destination", str(folder)]
    missing = "the equations need KaTeX once, and"
    if shutil.which("npm") is None:
        sys.exit(f"docs: {missing} there is no npm to fetch it (on Debian and Ubuntu: apt install npm)")
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        said = (ended.stderr.strip() or ended.stdout.strip() or f"status {ended.returncode}").splitlines()[0]
        sys.exit(f"docs: {missing} npm cannot fetch {PACKAGE}: {said}")
    return next(folder.glob("*.tgz"))


def _keep(content: tarfile.TarFile, member: tarfile.TarInfo, to: Path) -> None:
    path = member.name.removeprefix("package/")
    for start, folder in KEPT.items():
        if path.startswith(start) and (not start.endswith("/") or path.endswith(".woff2")):
            stream = content.extractfile(member)
            assert stream is not None
            target = to / folder / Path(path).name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(stream.read())


def _visit(kind: str) -> Any:
    def visit(translator: HTML5Translator, node: nodes.Element) -> None:
        translator.body.append(f'<{kind} class="math">{escape(node.astext())}</{kind}>')
        raise nodes.SkipNode

    return visit


def _scripts(app: Sphinx, *said: Any) -> None:
    page = said[-1]  # after its name, its template and what it is filled with; none for the page of the search
    if page is not None and any(page.findall(lambda node: isinstance(node, nodes.math | nodes.math_block))):
        app.add_css_file("katex/katex.min.css")
        app.add_js_file("katex/katex.min.js", loading_method="defer")
        app.add_js_file("equations.js", loading_method="defer")


def _files(app: Sphinx) -> None:
    if app.builder.format == "html":
        if not FOLDER.exists():
            raise ConfigError(f"{PACKAGE} is not in {FOLDER}: `python -m docs._site.equations` fetches it")
        app.config.html_static_path.append(str(FOLDER))


def setup(app: Sphinx) -> dict[str, bool]:
    """Let Sphinx call this module."""
    app.add_html_math_renderer("katex", (_visit("span"), None), (_visit("div"), None))
    app.connect("builder-inited", _files)
    app.connect("html-page-context", _scripts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    fetch()
