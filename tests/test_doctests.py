"""The examples in the docstrings of compiled functions and methods, which pytest's own search does not find."""

import doctest
import inspect

import dlcore
import pytest
from dlcore import _core, nn

NAMES = {"dlcore": dlcore, "nn": nn, "F": nn.functional}
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def documented():
    """Everything in the engine that has an example, by name."""
    found = {name: getattr(_core, name) for name in dir(_core)}
    for owner in [value for value in found.values() if inspect.isclass(value)]:
        found |= {f"{owner.__name__}.{name}": member for name, member in vars(owner).items()}
    return {name: value.__doc__ for name, value in found.items() if ">>>" in (getattr(value, "__doc__", None) or "")}


EXAMPLES = documented()


@pytest.mark.parametrize("name", sorted(EXAMPLES))  # attributes come in another order in each process
def test_examples_give_what_they_show(name):
    example = doctest.DocTestParser().get_doctest(EXAMPLES[name], dict(NAMES), name, None, None)
    report = []
    failures, tried = doctest.DocTestRunner(optionflags=FLAGS).run(example, out=report.append)
    assert tried
    assert not failures, "".join(report)


def test_examples_are_found():
    assert "matmul" in EXAMPLES
