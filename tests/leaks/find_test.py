#!/usr/bin/env python3
"""find.py must find what stands in a log, and nothing else."""

import pathlib
import subprocess
import sys
import tempfile

FIND = pathlib.Path(__file__).with_name("find.py")
CLEAN = '{"ts":"2026-01-01T00:00:00Z","level":"info","event":"token_issued"}\n'
LEAKS = (
    '{"ts":"t","error":"eyJhbGciOiJIUzI1NiJ9.e30.x"}\n',
    '{"ts":"t","error":"eyJhbGciOiJI"}\n',
    '{"ts":"t","header":"authorization: Bearer abcdefgh"}\n',
    '{"ts":"t","header":"Basic dXNlcjpwYXNz"}\n',
    '{"ts":"t","key":"MARKER-livekit-secret-0123456789abcdef"}\n',
    '{"ts":"t","key":"conformance-secret-of-more-than-32-bytes"}\n',
)
# Not of a log, or harmless.
OTHERS = (
    '{"ts":"t","jti":"DzQfoXSSaeeyJc2NIhvSmw"}\n',
    "MARKER eyJhbGciOiJIUzI1NiJ9\n",
    ' {"ts":"MARKER"}\n',
    '{"ts":"t","a":"Bearer … eyJ"}\n',
)


def status(text):
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(text)
        file.flush()
        return subprocess.run([FIND, file.name], stdout=subprocess.DEVNULL, check=False).returncode


def main():
    wrong = [leak for leak in LEAKS if status(CLEAN + leak + CLEAN) != 1]
    wrong += [other for other in OTHERS if status(CLEAN + other) != 0]
    wrong += [f"no log line in {text!r}" for text in ("", "no log\n") if status(text) != 1]
    print("\n".join(wrong) or "ok")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
