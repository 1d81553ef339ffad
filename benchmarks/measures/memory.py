"""Memory of a process."""

from __future__ import annotations

from pathlib import Path


def peak() -> float:
    """Return the peak memory of this process, MiB (Linux)."""
    # Not resource.getrusage, whose peak is handed down by the parent process.
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 2**10
