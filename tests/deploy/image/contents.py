"""What is in the image, and what it says of itself. Usage: contents.py ROOT IMAGE_JSON REVISION

IMAGE_JSON is what `buildah inspect` prints.
"""
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

PROGRAMS = ["livekit-token-gateway", "livekit-token-server", "livekit-token-standalone"]
MAX_BYTES = 60 * 1000 * 1000
# Names of shells and of what runs commands like one.
SHELLS = {"ash", "bash", "busybox", "csh", "dash", "env", "ksh", "perl", "python3", "sh", "tcsh", "toybox", "zsh"}


def check(holds, message):
    if not holds:
        sys.exit(f"image: {message}")


def is_elf(path):
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def check_files(root):
    """Returns the number of bytes in all files."""
    total = 0
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        name = "/" + str(path.relative_to(root))
        check(status.st_uid == 0 and status.st_gid == 0, f"{name} belongs to another than root")
        if stat.S_ISLNK(status.st_mode):
            target = os.readlink(path)
            there = root / target[1:] if target.startswith("/") else path.parent / target
            check(there.exists(), f"{name} points to {target}, which is not there")
            continue
        check(not status.st_mode & (stat.S_ISUID | stat.S_ISGID), f"{name} is setuid or setgid")
        sticky = bool(status.st_mode & stat.S_ISVTX)
        check(not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) or sticky, f"others may write {name}")
        check(path.name not in SHELLS or not status.st_mode & stat.S_IXUSR or path.is_dir(), f"{name} is a shell")
        if stat.S_ISREG(status.st_mode):
            total += status.st_size
            check("security.capability" not in os.listxattr(path), f"{name} has capabilities")
    check(total <= MAX_BYTES, f"{total} bytes are more than {MAX_BYTES}")
    check(sorted(os.listdir(root / "usr/bin")) == PROGRAMS, "/usr/bin holds other programs than ours")
    return total


def interpreter(program):
    """The loader that the program names."""
    text = subprocess.run(["readelf", "-lW", program], capture_output=True, text=True, check=True).stdout
    return text.split("program interpreter: ", 1)[1].split("]", 1)[0]


def real(root, path):
    """The file that a path of the image leads to. A link with an absolute target leads out of `root`, and is followed
    there again."""
    found = (root / path[1:]).resolve()
    return found if found.is_relative_to(root) else real(root, str(found))


def loaded(root, program):
    """The libraries that the image's own loader finds in it, by real path."""
    path = f"/usr/bin/{program}"
    done = subprocess.run(["chroot", root, interpreter(root / path[1:]), "--list", path], capture_output=True,
                          text=True, check=False)
    text = done.stdout + done.stderr
    check(done.returncode == 0 and "not found" not in text, f"{path} lacks libraries: {text}")
    words = [word for word in done.stdout.split() if word.startswith("/")]
    return {real(root, word) for word in words}


def check_libraries(root):
    """Everything that is needed is there, and nothing else."""
    needed = {(root / "usr/bin" / program).resolve() for program in PROGRAMS}
    for program in PROGRAMS:
        needed |= loaded(root, program)
    there = {path.resolve() for path in root.rglob("*") if path.is_file() and not path.is_symlink() and is_elf(path)}
    check(there <= needed, f"nothing needs {sorted(map(str, there - needed))}")
    check(needed <= there, f"loaded from elsewhere: {sorted(map(str, needed - there))}")
    return len(there)


def check_image(image, version, revision):
    config = image["Docker"]["config"]
    labels = config["Labels"]
    check(config["User"] == "65532:65532", f"user {config['User']}")
    check(config["Entrypoint"] == ["/usr/bin/livekit-token-standalone"], f"entry point {config['Entrypoint']}")
    check(not config.get("Cmd"), f"command {config.get('Cmd')}")
    check(config["StopSignal"] == "SIGTERM", f"stop signal {config['StopSignal']}")
    check(config["Healthcheck"]["Test"] == ["CMD", "/usr/bin/livekit-token-standalone", "--healthcheck"],
          f"health check {config['Healthcheck']}")
    check(set(config["ExposedPorts"]) == {"3000/tcp", "50051/tcp", "9464/tcp"}, f"ports {config['ExposedPorts']}")
    for label in ("title", "description", "licenses"):
        check(labels.get("org.opencontainers.image." + label), f"no label {label}")
    check(labels["org.opencontainers.image.version"] == version, f"version {labels}")
    check(labels["org.opencontainers.image.revision"] == revision, f"revision {labels}")


def main(root, image_file, revision):
    root = Path(root).resolve()
    size = check_files(root)
    libraries = check_libraries(root)
    versions = set()
    for program in PROGRAMS:
        done = subprocess.run(["chroot", "--userspec=65532:65532", root, f"/usr/bin/{program}", "--version"],
                              capture_output=True, text=True, check=True)
        name, version = done.stdout.split()
        check(name == program, f"{program} says {done.stdout}")
        versions.add(version)
    check(len(versions) == 1, f"versions {versions}")
    check_image(json.loads(Path(image_file).read_text()), versions.pop(), revision)
    print(f"image: {size / 1e6:.1f} MB, {libraries} programs and libraries, each needed; no shell, nothing setuid")


if __name__ == "__main__":
    main(*sys.argv[1:])
