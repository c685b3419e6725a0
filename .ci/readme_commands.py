#!/usr/bin/env python3
"""Run the commands that README.md tells newcomers to run, so that it can't say what doesn't work.

Every fenced block marked `sh` is one, run by bash in the repository without standard input; other fences are only read.
The first sets up and plays a game, the second sets up and passes the tests. Stops at the first that fails, with its
exit code.
"""

import re
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
AT_LEAST = 2


def main() -> int:
    blocks = BLOCK.findall((REPOSITORY / "README.md").read_text(encoding="utf-8"))
    if len(blocks) < AT_LEAST:
        print(f"README.md has {len(blocks)} blocks of commands (```sh), not {AT_LEAST} or more", file=sys.stderr)
        return 1
    for block in blocks:
        print("\n".join(f"$ {line}" for line in block.splitlines()), flush=True)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block], cwd=REPOSITORY, stdin=subprocess.DEVNULL, check=False
        )
        if done.returncode:
            print(f"README.md: this command ended with exit code {done.returncode}", file=sys.stderr)
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
