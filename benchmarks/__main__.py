"""All benchmarks that stand beside peers, one after the other, with memory: `python -m benchmarks`.

(a), (b) rows and cells: `benchmarks.rows`; (c) schools, (d) local authorities, (e) growth: `benchmarks.school`. Each runs in a
process of its own, as its own command does, and says what is not installed.
"""

from __future__ import annotations

import subprocess
import sys

COMMANDS = {"(a), (b) From rows to an estimate": "benchmarks.rows", "(c), (d), (e) Panels and growth": "benchmarks.school"}


def main() -> int:
    """Run each; the exit status is the first that is not 0."""
    status = 0
    for title, module in COMMANDS.items():
        print(f"{title}: python -m {module}\n", flush=True)
        status = subprocess.run([sys.executable, "-m", module], check=False).returncode or status
    return status


if __name__ == "__main__":
    sys.exit(main())
