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
exclude_patterns = ["_ext", *(f"reference/generated/{part}.md" for part in ("failures", "options", "context"))]
nitpicky = True
# Inner names, type variables, and other people's classes: nothing is fetched to link to the latter.
nitpick_ignore_regex = [
    (r"py:(class|obj)", r"pipeglot\.core\..*|(collections\.abc|typing|dt|datetime|os|pathlib)\..*|[A-Z]\w*"),
]
smartquotes = False
default_role = "code"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
add_module_names = False

html_theme = "furo"
html_theme_options = {"navigation_with_keys": True}
html_static_path = ["_static"]
html_css_files = ["wrap.css"]
pygments_style = "default"
