"""Installs the peers under .build/bench, out of tests/bench/peers, with the package managers as they are set up."""

import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
SOURCES = ROOT / "tests/bench/peers"
WORK = ROOT / ".build/bench"
PATIENCE = 1800  # seconds for one step of an installation


class NotInstalled(Exception):
    """Why a peer cannot take part."""


def need(command):
    """The command's path."""
    path = shutil.which(command, path=os.environ["PATH"] + ":/usr/sbin")
    if not path:
        raise NotInstalled(f"there is no `{command}`")
    return path


def version(*argv):
    """The first version number that the command prints."""
    result = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    number = re.search(r"\d+\.\d+(\.\d+)?", result.stdout)
    return number.group() if number else "?"


def pinned(file, pattern):
    """The version that a peer's file pins."""
    version_text = r"[\"\s:={]*(?:version = \"=)?v?([\d.]+\d)"
    return re.search(pattern + version_text, (SOURCES / file).read_text()).group(1)


def step(name, folder, *argv, env=None):
    print(f"bench: {name}: {' '.join(map(str, argv[:3]))} …", file=sys.stderr)
    log = WORK / f"{name}-install.log"
    with open(log, "wb") as output:
        try:
            subprocess.run(
                argv, cwd=folder, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL, stdout=output,
                stderr=output, timeout=PATIENCE, check=True,
            )
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            raise NotInstalled(f"`{pathlib.Path(argv[0]).name}` failed, see {log.relative_to(ROOT)}") from error


def copy(name):
    """A copy of the peer's sources, so that nothing is written among them."""
    shutil.copytree(SOURCES / name, WORK / name, dirs_exist_ok=True)
    return WORK / name


def once(folder, files, install):
    """Installs unless that has been done with these very files."""
    digest = hashlib.sha256(b"".join((folder / file).read_bytes() for file in files)).hexdigest()
    stamp = folder / ".installed"
    if not stamp.exists() or stamp.read_text() != digest:
        stamp.unlink(missing_ok=True)
        install()
        stamp.write_text(digest)


def install_go():
    """Returns the program's path."""
    program = WORK / "go-peer"
    env = {"GOWORK": "off", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
    step("go", SOURCES / "go", need("go"), "build", "-mod=readonly", "-o", program, ".", env=env)
    return program


def install_node():
    """Returns the folder with the program and its packages."""
    need("node")
    npm = need("npm")
    folder = copy("node")
    command = (npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    once(folder, ["package.json", "package-lock.json"], lambda: step("node", folder, *command))
    return folder


def install_python():
    """Returns the folder with the program and its venv."""
    folder = copy("python")

    def install():
        step("python", folder, sys.executable, "-m", "venv", "--clear", "venv")
        step("python", folder, folder / "venv/bin/pip", "install", "--quiet", "-r", "requirements.txt")

    once(folder, ["requirements.txt"], install)
    return folder


def install_rust():
    """Returns the program's path."""
    cargo = need("cargo")
    folder = copy("rust")
    step("rust", folder, cargo, "build", "--release", "--quiet")
    return folder / "target/release/rust-peer"
