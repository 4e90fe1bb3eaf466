"""All benchmarks of numbers, one after the other: `python -m benchmarks [--small]`.

(a), (b) rows and cells: `benchmarks.rows`; (c) schools, (d) local authorities, (e) growth: `benchmarks.school`; the whole
programme: `benchmarks.programme`, which needs all of the project's environment and is left out, with a word, where that is not
there. Each runs in a process of its own, as its own command does, and says what is not installed. `--small` runs all of it at a
reduced size, to see that it works.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib.util import find_spec

COMMANDS = {
    "(a), (b) From rows to an estimate": "benchmarks.rows",
    "(c), (d), (e) Panels and growth": "benchmarks.school",
    "The inference of the whole programme": "benchmarks.listed",
    "The whole programme": "benchmarks.programme",
}


PLATFORM = ("sqlalchemy", "yaml", "joblib", "open_data_contract_standard", "openpyxl")
NEEDS = {"benchmarks.listed": PLATFORM, "benchmarks.programme": PLATFORM}


def main() -> int:
    """Run each; the exit status is the first that is not 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="all at a reduced size")
    more = ["--small"] if parser.parse_args().small else []
    status = 0
    for title, module in COMMANDS.items():
        command = [sys.executable, "-m", module, *more]
        missing = [name for name in NEEDS.get(module, ()) if find_spec(name) is None]
        if missing:
            print(f"{title}: left out, {', '.join(missing)} not installed here. Run it in the project's environment.\n")
            continue
        print(f"{title}: python {' '.join(command[1:])}\n", flush=True)
        ended = subprocess.run(command, check=False).returncode
        status = status or ended
        print(flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
