#!/usr/bin/env python3
"""Checks who may include whom. Usage: layering.py ROOT

The rules are those of the architecture: the folder is the layer. They hold transitively: a file is judged by all that
it reaches through our own headers.
"""
import fnmatch
import os
import re
import sys

BASE = {"lib/base"}
PROTOJSON = BASE | {"lib/protojson"}
JOSE = BASE | {"lib/jose"}
TOKEN = PROTOJSON | JOSE | {"lib/token"}
SERVICE = PROTOJSON | {"lib/service"}
HTTP = SERVICE | {"lib/http"}
GATEWAY = HTTP | {"gateway"}
SERVER = TOKEN | HTTP | {"server"}

# What the files of a folder may reach.
MAY_REACH = {
    "lib/base": BASE,
    "lib/protojson": PROTOJSON,
    "lib/jose": JOSE,
    "lib/token": TOKEN,
    "lib/service": SERVICE,
    "lib/http": HTTP,
    "gateway": GATEWAY,
    "server": SERVER,
}
# The one file that sees both sides.
MAY_REACH_ALL = "gateway/standalone_main.cc"

# Headers of libraries that only some files may include: pattern of the header, patterns of the files.
ONLY_IN = [
    ("httplib.h", ["lib/http/target_parser.cc"]),
    ("openssl/*", ["lib/jose/*", "lib/http/tls*", "lib/base/secret.*", "lib/base/digest.*"]),
    ("curl/*", ["lib/http/client*"]),
]
GRPC = ["grpc/*", "grpcpp/*", "*.grpc.pb.h"]
# Files that must not reach gRPC: the installed library, whose users need not have it, and the core of the server.
WITHOUT_GRPC = [
    "lib/base/*", "lib/protojson/*", "lib/jose/*", "lib/token/*",
    "server/authority.*", "server/policy.*", "server/template.*", "server/ceiling.*", "server/authenticator.*",
    "server/authn/*", "server/build/*", "server/claims.*", "server/principal.*", "server/claim_match.*",
    "server/deny_list.*", "server/field_rule.*", "server/forced_room_config.*", "server/json_template.*",
    "server/pattern.*", "server/reserved_names.*", "server/room_config_rule.*", "server/variable.*",
]

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
PRODUCT = ("lib", "server", "gateway")
# Where an include is looked up, as the compiler does.
INCLUDE_DIRS = ("", "lib", "lib/token/include")


def sources(root):
    found = set()
    for top in PRODUCT:
        for folder, _, names in os.walk(os.path.join(root, top)):
            for name in names:
                if name.endswith((".h", ".cc")):
                    found.add(os.path.relpath(os.path.join(folder, name), root))
    return found


def layer(path):
    parts = path.split("/")
    return "/".join(parts[:2]) if parts[0] == "lib" else parts[0]


def matches(path, patterns):
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


def read_includes(root, files):
    """Maps a file to its own headers and to those of libraries."""
    ours, foreign = {}, {}
    for path in files:
        ours[path], foreign[path] = set(), set()
        with open(os.path.join(root, path), encoding="utf-8") as source:
            for line in source:
                found = INCLUDE.match(line)
                if not found:
                    continue
                name = found.group(2)
                places = [os.path.normpath(os.path.join(folder, name))
                          for folder in (os.path.dirname(path),) + INCLUDE_DIRS]
                target = next((place for place in places if place in files), None)
                if target:
                    ours[path].add(target)
                else:
                    foreign[path].add(name)
    return ours, foreign


def reach(start, ours):
    """What a file reaches, each with the way to it."""
    ways = {start: [start]}
    queue = [start]
    while queue:
        path = queue.pop()
        for target in sorted(ours[path]):
            if target not in ways:
                ways[target] = ways[path] + [target]
                queue.append(target)
    return ways


def check(root):
    files = sources(root)
    ours, foreign = read_includes(root, files)
    problems = []
    for path in sorted(files):
        if layer(path) not in MAY_REACH:
            problems.append(f"{path}: the layering rules do not know its folder")
            continue
        ways = reach(path, ours)
        if path != MAY_REACH_ALL:
            for target, way in ways.items():
                if layer(target) not in MAY_REACH[layer(path)]:
                    problems.append(f"{path}: {layer(path)} may not reach {layer(target)}: {' > '.join(way)}")
        for pattern, allowed in ONLY_IN:
            for name in sorted(foreign[path]):
                if matches(name, [pattern]) and not matches(path, allowed):
                    problems.append(f"{path}: {name} belongs in {', '.join(allowed)} only")
        if matches(path, WITHOUT_GRPC):
            for target, way in ways.items():
                for name in sorted(foreign[target]):
                    if matches(name, GRPC):
                        problems.append(f"{path}: must not reach gRPC: {' > '.join(way)} > {name}")
        for target in sorted(ours[path]):
            if target != path and path in reach(target, ours):
                problems.append(f"{path}: circle with {target}")
    return files, problems


def main():
    files, problems = check(sys.argv[1])
    for problem in problems:
        print(problem)
    if not files:
        print("layering: no sources found")
    return 1 if problems or not files else 0


if __name__ == "__main__":
    sys.exit(main())
