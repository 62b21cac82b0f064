#!/usr/bin/env python3
"""Looks for secrets in logs of our programs: `find.py FILE...`.

A log line is one that begins with `{"ts"`, wherever a file has it; other lines, such as what a test prints about a
failure, are nobody's log. A hit is a JSON Web Token or its beginning, a credential with its scheme, or one of the texts
in tests/data/planted_secrets.txt, which tests use as secrets. Prints every hit and ends with 1 if there are any, or if
there is no file or no log line to look at.
"""

import pathlib
import re
import sys

PLANTED = pathlib.Path(__file__).resolve().parents[1] / "data/planted_secrets.txt"
# At the start of a word: an identifier of random letters may well have these three inside.
TOKEN = re.compile(rb"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8}")
CREDENTIAL = re.compile(rb"(bearer|basic) [A-Za-z0-9._~+/=-]{8}", re.IGNORECASE)


def kinds(line, planted):
    """What is wrong with a line."""
    if TOKEN.search(line):
        yield "a token"
    if CREDENTIAL.search(line):
        yield "a credential"
    for secret in planted:
        if secret in line:
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
    planted = [line for line in PLANTED.read_bytes().splitlines() if line]
    hits, count = find(sys.argv[1:], planted)
    for hit in hits:
        print(hit)
    print(f"leaks: {len(hits)} in {count} log lines", flush=True)
    return 1 if hits or not count else 0


if __name__ == "__main__":
    sys.exit(main())
