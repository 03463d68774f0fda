"""The site made of this folder, by Sphinx: `make docs`. Every warning is an error there."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))  # so that docs._site can be imported from everywhere

project = "gatelab"
extensions = ["myst_parser", "docs._site.menu", "docs._site.equations", "docs._site.drawings", "docs._site.code"]
exclude_patterns = ["_site", "tutorial/_*"]
# An anchor is the heading in small letters with hyphens, as on GitHub.
myst_heading_anchors = 4
myst_fence_as_directive = ["mermaid"]
myst_enable_extensions = ["dollarmath"]
# A link to a page or a heading that is not there is a warning whatever it looks like.
nitpicky = True

# Quotes in the text of a command stay as they are typed.
smartquotes = False

html_theme = "furo"
html_title = "gatelab"
html_static_path = ["_site/static"]
html_css_files = ["site.css"]
# A browser does not let a page that is opened as a file read the others, from which summaries would come.
html_show_search_summary = False
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False
html_theme_options = {"navigation_with_keys": True}
