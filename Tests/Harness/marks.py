"""Why a test cannot run on this machine, as pytest marks."""

import os

import pytest

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="changing the user of a process needs root")
