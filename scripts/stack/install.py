"""Makes the virtual environment of the release `latest`; nothing if it is there."""

import os
import shutil
import subprocess

from .settings import StackError

# Not the caller's, whose Python may be another: Debian's uWSGI runs Debian's Python and no other.
PYTHON = "/usr/bin/python3"


def install(release, say=lambda text: None):
    """Does what `is_installed` says is not done yet. Needs python3-venv and PyPI, and half a gigabyte."""
    if release.is_installed():
        return
    say(f"installing {', '.join(release.requirements)} into {release.folder}")
    # What was left of an attempt that failed, or of other versions, is not built upon.
    shutil.rmtree(release.folder, ignore_errors=True)
    _run([PYTHON, "-m", "venv", release.folder])
    _run([release.python, "-m", "pip", "install", "--quiet", "--no-input", *release.requirements])
    release.record.write_text(release.recorded)


def _run(words):
    words = [str(word) for word in words]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(words, env=environment, stdin=subprocess.DEVNULL, timeout=1800)
    if done.returncode != 0:
        raise StackError(f"{' '.join(words)} ended with {done.returncode}")
