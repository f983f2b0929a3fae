"""How Sphinx builds the site: offline, every warning an error."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

from pipeglot import __version__

project = "pipeglot"
author = "the pipeglot authors"
version = release = __version__
html_title = f"pipeglot {__version__}"
html_show_copyright = False

extensions = ["myst_parser", "sphinx.ext.autodoc", "reference"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_ext", "reference/generated/failures.md"]
nitpicky = True
# What users need of these is on the page itself, and nothing is fetched to link to the rest.
nitpick_ignore_regex = [(r"py:(class|obj|exc|data)", r".*")]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
add_module_names = False

html_theme = "furo"
html_theme_options = {"navigation_with_keys": True}
pygments_style = "default"
