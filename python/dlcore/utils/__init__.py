"""What belongs to no one part: recomputing instead of keeping."""

from dlcore.utils import checkpoint

__all__ = ["checkpoint"]
