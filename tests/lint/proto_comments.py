#!/usr/bin/env python3
"""Checks that every element of the given .proto files has a comment. Usage: proto_comments.py FILE...

An element is commented when the line above it, or the end of its own line, is a comment. A line that is not understood
is an error too, so that nothing is skipped.
"""
import re
import sys

NAME = r"[A-Za-z_][A-Za-z0-9_]*"
ELEMENTS = [
    re.compile(rf"(message|enum|service|oneof) ({NAME}) \{{\}}?$"),
    re.compile(rf"rpc ({NAME})\("),
    re.compile(rf"(?:(?:optional|repeated) )?(?:map<[^>]+>|[A-Za-z_][\w.]*) ({NAME}) = \d+( \[.*\])?;"),
    re.compile(rf"({NAME}) = -?\d+( \[.*\])?;"),
]
OTHER = re.compile(r"(syntax = |package |import |option |reserved |extend .*\{$|returns \(|\};?$|$)")


def problems_of(path):
    previous, problems, elements = "", [], 0
    with open(path, encoding="utf-8") as file:
        for number, raw in enumerate(file, 1):
            line = raw.strip()
            if not line.startswith("//"):
                code = re.sub(r"\s*//.*$", "", line)
                if any(element.match(code) for element in ELEMENTS):
                    elements += 1
                    if not previous.startswith("//") and "//" not in line:
                        problems.append(f"{path}:{number}: no comment: {code}")
                elif not OTHER.match(code):
                    problems.append(f"{path}:{number}: not understood: {code}")
            previous = line
    if elements == 0 and not problems:
        problems.append(f"{path}: no element found")
    return problems


def main():
    problems = [problem for path in sys.argv[1:] for problem in problems_of(path)]
    for problem in problems:
        print(problem)
    return 1 if problems or len(sys.argv) < 2 else 0


if __name__ == "__main__":
    sys.exit(main())
