"""The environment of what the bench compares with: large packages that nothing else needs, in ``.local/bench``."""

from __future__ import annotations

import subprocess
import sys
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements" / "bench.txt"
HOME = ROOT / ".local" / "bench"


def python() -> Path:
    """Its interpreter; the environment is made where it is missing, or was made of another lock."""
    made_of = HOME / ".lock"
    mark = sha256(LOCK.read_bytes()).hexdigest()
    if not made_of.exists() or made_of.read_text() != mark:
        print(f"making {HOME.relative_to(ROOT)} of {LOCK.relative_to(ROOT)} ...", file=sys.stderr, flush=True)
        uv = str(Path(sys.executable).with_name("uv"))
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(HOME)], check=True)
        target = ["--python", str(HOME / "bin" / "python")]
        subprocess.run([uv, "pip", "install", "--quiet", *target, "--require-hashes", "-r", str(LOCK)], check=True)
        made_of.write_text(mark)
    return HOME / "bin" / "python"
