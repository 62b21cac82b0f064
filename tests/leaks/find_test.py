#!/usr/bin/env python3
"""find.py must find what stands in a log, and nothing else."""

import base64
import pathlib
import subprocess
import sys
import tempfile

FIND = pathlib.Path(__file__).with_name("find.py")
CLEAN = '{"ts":"2026-01-01T00:00:00Z","level":"info","event":"token_issued"}\n'


def codes(secret):
    """In hexadecimal digits and in base64, with nothing, one and two bytes in front of it."""
    yield secret.encode().hex()
    yield secret.encode().hex().upper()
    for before in "", "~", "~~":
        yield base64.b64encode((before + secret).encode()).decode()
        yield base64.urlsafe_b64encode((before + secret).encode()).decode()


LEAKS = (
    '{"ts":"t","error":"eyJhbGciOiJIUzI1NiJ9.e30.x"}\n',
    '{"ts":"t","error":"eyJhbGciOiJI"}\n',
    '{"ts":"t","header":"authorization: Bearer abcdefgh"}\n',
    '{"ts":"t","header":"Basic dXNlcjpwYXNz"}\n',
    '{"ts":"t","key":"MARKER-livekit-secret-0123456789abcdef"}\n',
    '{"ts":"t","key":"conformance-secret-of-more-than-32-bytes"}\n',
    '{"ts":"t","event":"audit","outcome":"issued","principal":"MARKER-of-ann"}\n',
    '{"ts":"t","jti":"a1U4_eyJ9q57eZpJ4CRMpAB"}\n',
    '{"ts":"t","jti":"a1U4_eyJ9q57eZpJ4CRMpA","error":"eyJhbGciOiJI"}\n',
    *(f'{{"ts":"t","key":"{code}"}}\n' for code in codes("signs-the-cookie")),
)
# Not of a log, or harmless.
OTHERS = (
    "MARKER eyJhbGciOiJIUzI1NiJ9\n",
    ' {"ts":"MARKER"}\n',
    '{"ts":"t","a":"Bearer … eyJ"}\n',
    '{"ts":"t","a":"Marker, signs the cookie, UktF"}\n',
    '{"ts":"t","room":"hmac:eyJhbGciOiJIUzI1NiJ9AA","jti":"a1U4_eyJ9q57eZpJ4CRMpA"}\n',
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
    # Every text that is planted, and in tests whatever begins with it.
    planted = FIND.parents[1].joinpath("data/planted_secrets.txt").read_text(encoding="ascii").split("\n")
    wrong += [text for text in planted if text and status(CLEAN + f'{{"ts":"t","a":"x{text}-1"}}\n') != 1]
    print("\n".join(wrong) or "ok")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
