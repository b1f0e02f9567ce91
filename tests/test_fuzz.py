"""No panic, no abort, and no undocumented exception, whatever a public function is called with."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SEEDS = int(os.environ.get("DLCORE_FUZZ_SEEDS", "4"))
CALLS = int(os.environ.get("DLCORE_FUZZ_CALLS", "2500"))


@pytest.mark.skipif(os.name != "posix", reason="limits its memory as POSIX systems do")
@pytest.mark.parametrize("seed", range(SEEDS))
def test_no_input_ends_the_process_or_finds_a_bug(seed, tmp_path):
    log = tmp_path / "call"
    program = Path(__file__).with_name("fuzz.py")
    done = subprocess.run(
        [sys.executable, program, str(seed), str(CALLS), log], capture_output=True, text=True, timeout=600, check=False
    )
    last = log.read_text() if log.exists() else "none"
    assert done.returncode == 0, f"exit status {done.returncode} in the call {last}\n{done.stderr[-3000:]}"
    assert done.stdout == "done\n"
