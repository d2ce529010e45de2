"""How Sphinx makes the site of these pages: ``make docs``."""

from importlib.metadata import version as version_of

project = "pyfutex"
author = "The pyfutex authors"
version = release = version_of("pyfutex")

extensions = ["sphinx.ext.autodoc", "numpydoc", "myst_parser"]
exclude_patterns = ["adr/README.md"]  # decisions.md includes it
default_role = "py:obj"  # of docstrings, where `name` is a name of ours or code

myst_heading_anchors = 3

# What is compiled tells its arguments, and its docstrings their types.
autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_default_options = {"members": True, "inherited-members": "object, int, tuple, BaseException, dict"}
numpydoc_show_class_members = False

html_theme = "furo"
html_title = f"pyfutex {release}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_copyright = False
html_show_sourcelink = False
pygments_style = "friendly"
