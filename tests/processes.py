"""Programs in a process of their own, for what may end one or is counted by process."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path


def run(program, limit=60, **environment):
    """What `program` prints in a process of its own, which must end well."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True, text=True, timeout=limit, check=False, env=os.environ | environment,
    )  # fmt: skip
    assert done.returncode == 0, f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def resident_bytes():
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
