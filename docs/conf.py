"""Settings of Sphinx for the documentation; `make docs` builds it into docs/_build/html."""

from bmis import __version__

project = "bmis"
author = "The bmis developers"
copyright = author
release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
highlight_language = "none"  # blocks without a language are output or trees of files

# Markdown: fenced directives by colons, and anchors of headings as GitHub makes them
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

# the public names of `bmis`, from their docstrings
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_class_signature = "mixed"
autodoc_member_order = "bysource"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # attributes as a list of fields, so that no name is described twice
napoleon_use_rtype = False
add_module_names = False
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = "bmis"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": True}
