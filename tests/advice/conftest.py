"""Twins for what is tried on a real planner."""

from tests.twin.conftest import var_dir

__all__ = ["var_dir"]
