"""The pages of the reference, before Sphinx reads them: one for every public name, under a name of its own."""

import inspect
import re
from importlib import import_module

import pages
import pytest


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("api")
    (folder / "dlcore.long_gone.rst").touch()
    pages.write(folder)
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


@pytest.mark.parametrize("module", pages.MODULES)
def test_every_public_name_has_a_page(written, module):
    titles = {text.removeprefix(":orphan:\n\n").split("\n")[0] for text in written.values()}
    for name in import_module(module).__all__:
        assert f"{module}.{name}" in titles


def test_names_of_pages_differ_where_case_is_ignored(written):
    assert len({name.lower() for name in written}) == len(written)


def test_pages_are_of_their_kind(written):
    assert "\n.. autofunction:: dlcore.matmul\n" in written["dlcore.matmul.rst"]
    assert "\n.. autoclass:: dlcore.nn.Linear\n   :members:\n" in written["dlcore.nn.Linear.rst"]
    assert "An element type: floats of 32 bits." in written["dlcore.float32.rst"]
    assert "`matmul <dlcore.matmul>`\n     - Matrix product: " in written["dlcore.rst"]
    assert "dlcore.long_gone.rst" not in written


def test_values_are_shown_in_use(written):
    values = {name: text for name, text in written.items() if "\n.. py:data:: " in text}
    assert {"dlcore.pi.rst", "dlcore.bool.rst", "dlcore.distributions.constraints.simplex.rst"} <= values.keys()
    for name, text in values.items():
        assert "   >>> import dlcore\n" in text, name
        assert "0x" not in text, name  # no addresses: pages that stay the same are not built again
    assert (
        "   >>> dlcore.ones(2, dtype=dlcore.int8)\n   tensor([1, 1], dtype=dlcore.int8)\n" in values["dlcore.int8.rst"]
    )
    assert "The element type of truth values" in values["dlcore.bool.rst"]


def test_what_has_two_names_is_indexed_once(written):
    assert ":no-index:" not in written["dlcore.no_grad.rst"]
    assert ":no-index:" in written["dlcore.autograd.no_grad.rst"]


def test_pages_that_stay_the_same_are_not_written_again(tmp_path):
    pages.write(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    pages.write(tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("module", pages.MODULES)
def test_bars_are_no_substitutions_of_sphinx(module):
    found = [getattr(import_module(module), name) for name in import_module(module).__all__]
    found += [member for owner in found if inspect.isclass(owner) for member in vars(owner).values()]
    for text in (inspect.getdoc(member) or "" for member in found):
        assert not re.search(r"(?<!\w)\|\w[^|\n]*\|", re.sub(r"``.*?``", "", text)), text
