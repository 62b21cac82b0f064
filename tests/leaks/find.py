#!/usr/bin/env python3
"""Looks for secrets in logs of our programs: `find.py FILE...`.

A log line is one that begins with `{"ts"`, wherever a file has it, events of the audit among them; other lines, such as
what a test prints about a failure, are nobody's log. A hit is a JSON Web Token or its beginning, a credential with its
scheme, or one of the texts in tests/data/planted_secrets.txt, which tests use as secrets or begin them with, as it
stands, in base64 or in hexadecimal digits. Prints every hit and ends with 1 if there are any, or if there is no file or
no log line to look at.
"""

import base64
import pathlib
import re
import sys

PLANTED = pathlib.Path(__file__).resolve().parents[1] / "data/planted_secrets.txt"
TOKEN = re.compile(rb"eyJ[A-Za-z0-9_-]{8}")
# Ids of tokens and codes of names are random text, which may look like a token's beginning.
RANDOM = re.compile(rb'"(jti":"|\w+":"hmac:)[A-Za-z0-9_-]{22}"')
CREDENTIAL = re.compile(rb"(bearer|basic) [A-Za-z0-9._~+/=-]{8}", re.IGNORECASE)
LEAST_CODE = 8  # characters in base64; fewer stand in random text by chance


def forms(secret):
    """A text as it can stand in a line."""
    yield secret
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    for skipped in range(3):
        # Three bytes are four characters; those of whole triples are there whatever stands before and behind.
        whole = secret[skipped:]
        code = base64.b64encode(whole[:len(whole) // 3 * 3])
        if len(code) >= LEAST_CODE:
            yield code
            yield code.translate(bytes.maketrans(b"+/", b"-_"))


def kinds(line, planted):
    """What is wrong with a line."""
    if TOKEN.search(RANDOM.sub(b"", line)):
        yield "a token"
    if CREDENTIAL.search(line):
        yield "a credential"
    for secret, texts in planted.items():
        if any(text in line for text in texts):
            yield f"the planted secret {secret.decode()}"


def find(paths, planted):
    """Every hit, as text, and the number of log lines."""
    hits, count = [], 0
    for path in paths:
        for number, line in enumerate(pathlib.Path(path).read_bytes().splitlines(), 1):
            if not line.startswith(b'{"ts"'):
                continue
            count += 1
            hits += [f"{path}:{number}: {kind}: {line.decode(errors='replace')}" for kind in kinds(line, planted)]
    return hits, count


def main():
    planted = {line: set(forms(line)) for line in PLANTED.read_bytes().splitlines() if line}
    hits, count = find(sys.argv[1:], planted)
    for hit in hits:
        print(hit)
    print(f"leaks: {len(hits)} in {count} log lines", flush=True)
    return 1 if hits or not count else 0


if __name__ == "__main__":
    sys.exit(main())
