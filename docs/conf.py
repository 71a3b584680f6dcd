"""How the pages become a site: `make docs`. Nothing is fetched, neither when it is built nor when it is read."""

from __future__ import annotations

project = "placement-harness"
html_title = "placement-harness"
copyright = ""
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False

extensions = ["myst_parser"]
exclude_patterns = ["**/.*"]
source_suffix = {".md": "markdown"}
# Anchors of headings as GitHub makes them, so that links hold in both places.
myst_heading_anchors = 4
myst_links_external_new_tab = False
# Links to files of the repository are checked, and the file comes with the site.
suppress_warnings: list[str] = []

html_theme = "furo"
html_theme_options = {"navigation_with_keys": True}
html_static_path: list[str] = []
# Indented blocks are commands for the most part.
highlight_language = "text"
