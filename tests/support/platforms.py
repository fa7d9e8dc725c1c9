"""What is there on some platforms only."""

import os
import sys

import pytest

posix_only = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="Windows has no such thing")
"""For tests of owners and modes of files, of pipes with a name, and of removing an open file."""

with_docstrings = pytest.mark.skipif(sys.flags.optimize > 1, reason="python -OO strips docstrings")
"""For tests of what docstrings say, which would mean nothing without them."""
