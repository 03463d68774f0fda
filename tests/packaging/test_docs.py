"""The documentation builds: every page is in the menu, and every link and anchor leads somewhere."""

import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort

from tests.packaging.ranges import ROOT


def test_the_documentation_builds_without_a_warning(tmp_path):
    build(load_config(str(ROOT / "mkdocs.yml"), site_dir=str(tmp_path / "site")))
    for page in (ROOT / "docs").rglob("*.md"):
        built = page.relative_to(ROOT / "docs").with_suffix("") / "index.html"
        assert (tmp_path / "site" / built).is_file(), built


@pytest.mark.parametrize("line", ["[nowhere](nowhere.md)", "[no anchor](#nowhere)", "[outside](../README.md)"])
def test_a_link_that_leads_nowhere_stops_it(tmp_path, line):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text(f"# A page\n\n{line}\n")
    configuration = load_config(str(ROOT / "mkdocs.yml"), docs_dir=str(tmp_path / "docs"), nav=None)
    configuration.site_dir = str(tmp_path / "site")
    with pytest.raises(Abort, match="warnings in strict mode"):
        build(configuration)
