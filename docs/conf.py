"""How Sphinx builds the pages: ``make docs``."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import dlcore

sys.path.insert(0, str(Path(__file__).parent))
import pages

project = "dlcore"
author = "The dlcore developers"
version = release = dlcore.__version__

extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "myst_parser"]
exclude_patterns = ["_build"]
default_role = "code"  # `name` is a name
add_module_names = False
autodoc_member_order = "alphabetical"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # attributes as a list, not as entries of their own
html_theme = "alabaster"
html_show_sourcelink = False
html_theme_options = {"description": "Deep learning on CPUs", "page_width": "1100px", "sidebar_width": "230px"}


def read(_app: Any, _what: str, _name: str, _found: Any, _options: Any, lines: list[str]) -> None:
    """What docstrings mean by their signs: ``dlcore.abs`` leads to its page, and ``(N, *sizes)`` is a shape."""
    for number, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...")):
            line = re.sub(r"(?<=[( ])\*(?=\w)", r"\\*", line)
            lines[number] = re.sub(r"``(dlcore\.[\w.]*\w)``", r":py:obj:`\1`", line)


def setup(app: Any) -> None:
    """Write the sources of the reference before they are read."""
    app.connect("builder-inited", lambda app: pages.write(Path(app.srcdir) / "api"))
    app.connect("autodoc-process-docstring", read)
