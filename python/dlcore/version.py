"""Which version this is, and for which other devices it was built: for none.

Example:
    >>> import dlcore
    >>> dlcore.version.__version__ == dlcore.__version__, dlcore.version.cuda
    (True, None)
"""

from dlcore._core import __version__

__all__ = ["__version__", "cuda", "hip", "xpu"]

cuda = hip = xpu = None
