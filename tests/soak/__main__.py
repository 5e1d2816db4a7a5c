"""Run every proof at the scale that the environment asks for, and fail if one does."""

import os
import sys
from collections.abc import Callable

from tests.soak import crashes, stays, worlds

SCALES = ("small", "full")
PROOFS: tuple[Callable[[str], bool], ...] = (stays.prove, worlds.prove, crashes.prove)


def main() -> int:
    scale = os.environ.get("SCALE", "full")
    if scale not in SCALES:
        sys.stderr.write(f"SCALE is {scale!r}: say one of {', '.join(SCALES)}\n")
        return 2
    outcomes = [prove(scale) for prove in PROOFS]
    return 0 if all(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
