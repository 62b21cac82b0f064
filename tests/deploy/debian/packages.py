"""Builds the packages and looks at them from outside."""

import hashlib
import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[3]
SERVICE = "livekit-token-service"
DEV = "liblivekit-token-dev"


def call(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, **options)
    assert done.returncode == 0, f"{' '.join(map(str, command))}: status {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def build(folder, version=None):
    """Packs the release build into the folder and returns the packages by name."""
    environment = {**os.environ, "SOURCE_DATE_EPOCH": call("git", "log", "-1", "--format=%ct", cwd=ROOT).strip()}
    number = ["-D", f"CPACK_PACKAGE_VERSION={version}"] if version else []
    call("cpack", "-G", "DEB", "-B", str(folder), *number, cwd=ROOT / "build", env=environment)
    return {path.name.split("_")[0]: path for path in folder.glob("*.deb")}


def field(package, name):
    return call("dpkg-deb", "--field", package, name).strip()


def dependencies(package):
    """Names of the packages that it depends on; of alternatives the first."""
    return [re.match(r"[^ (|]+", part.strip())[0] for part in field(package, "Depends").split(",")]


def check_bytes(first, second):
    """Two runs of the same build made the same packages."""
    digests = [{name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in made.items()}
               for made in (first, second)]
    assert set(digests[0]) == {SERVICE, DEV}, sorted(digests[0])
    assert digests[0] == digests[1], "two runs made different packages"


def check_fields(packages):
    """What somebody needs who decides whether to install it."""
    architecture = call("dpkg", "--print-architecture").strip()
    for package in packages.values():
        assert field(package, "Architecture") == architecture
        assert re.fullmatch(r"[^<>]+ <[^<>@]+@[^<>@]+>", field(package, "Maintainer"))
        assert re.match(r"\S.{20,79}\n( \S.*\n)+ \S", field(package, "Description")), field(package, "Description")
        sums = call("dpkg-deb", "--info", package, "md5sums").splitlines()
        assert all(re.fullmatch(r"[0-9a-f]{32}  \S+", line) for line in sums) and len(sums) > 5, sums
    # Of libraries that only a program's own code brings in; by dpkg-shlibdeps, with the versions that they need.
    for library in ("libc6", "libssl3", "libprotobuf", "libgrpc++"):
        assert re.search(rf"\b{re.escape(library)}[\w.]* \(>= [^)]+\)", field(packages[SERVICE], "Depends")), library
    owners = {line.split()[1] for line in call("dpkg-deb", "--contents", packages[SERVICE]).splitlines()}
    assert owners == {"root/root"}, owners


def check_library(package, work):
    """A program is built with what the package of the library contains, and nothing else of ours."""
    call("dpkg-deb", "--extract", package, work / "library")
    call("cmake", "-G", "Ninja", "-S", ROOT / "tests/install", "-B", work / "consumer",
         f"-DCMAKE_PREFIX_PATH={work}/library/usr")
    call("cmake", "--build", work / "consumer", "--target", "mint_token")
    token = call(work / "consumer/mint_token", "alice", "lobby",
                 env={"LIVEKIT_API_KEY": "APIdebian", "LIVEKIT_API_SECRET": os.urandom(16).hex()})
    assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+\n", token), "not a token"
