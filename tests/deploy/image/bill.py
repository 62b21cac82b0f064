"""Compares the image with its bill of materials. Usage: bill.py ROOT BUILD_ROOT

BUILD_ROOT is the file system of the build stage, which makes the bill: it must make the same one again, and none for
files of unknown origin.
"""
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

BILL = Path("usr/share/doc/livekit-token-service/sbom.spdx.json")


def problems(root, bill):
    """What differs between the files below `root` and those of the bill."""
    packages = {package["SPDXID"] for package in bill["packages"]}
    owner = {relation["relatedSpdxElement"]: relation["spdxElementId"] for relation in bill["relationships"]
             if relation["relationshipType"] == "CONTAINS"}
    listed = {}
    for entry in bill["files"]:
        sums = {checksum["algorithm"]: checksum["checksumValue"] for checksum in entry["checksums"]}
        listed[entry["fileName"]] = sums["SHA256"]
        if owner.get(entry["SPDXID"]) not in packages:
            yield f"{entry['fileName']} is of no package"
    there = {f"./{path.relative_to(root)}": hashlib.sha256(path.read_bytes()).hexdigest()
             for path in root.rglob("*") if path.is_file() and not path.is_symlink() and path != root / BILL}
    for name in sorted(set(listed) | set(there)):
        if listed.get(name) != there.get(name):
            yield f"{name} is not as listed"


def check(holds, message):
    if not holds:
        sys.exit(f"image: {message}")


def write_again(build_root, version):
    """Makes the bill anew in the build stage; returns what came of it."""
    return subprocess.run(
        ["chroot", build_root, "python3", "/src/deploy/image/sbom.py", "write", "/out/root", "/out/programs",
         version],
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7"},
        capture_output=True, text=True, check=False)


def check_writer(build_root, version, expected):
    root = Path(build_root) / "out/root"
    done = write_again(build_root, version)
    check(done.returncode == 0 and (root / BILL).read_bytes() == expected, f"another bill: {done.stderr}")
    planted = root / "usr/lib/libplanted.so.1"
    shutil.copyfile(root / "usr/bin/livekit-token-gateway", planted)
    done = write_again(build_root, version)
    planted.unlink()
    check(done.returncode != 0 and "libplanted" in done.stderr, "a file of no package was accepted")
    library = next(path for path in root.rglob("libssl.so.*") if not path.is_symlink())
    original = library.read_bytes()
    library.write_bytes(original + b"\0")
    done = write_again(build_root, version)
    library.write_bytes(original)
    check(done.returncode != 0 and "libssl" in done.stderr, "a changed library was accepted")


def check_seen(root, bill, path):
    found = list(problems(root, bill))
    check(found == [f"./{path.relative_to(root)} is not as listed"], f"{path} is wrong, but found was {found}")


def main(root, build_root):
    root = Path(root)
    text = (root / BILL).read_bytes()
    bill = json.loads(text)
    found = list(problems(root, bill))
    check(not found, "; ".join(found))

    # The comparison itself: a file more, a file less, a file changed.
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "root"
        shutil.copytree(root, copy, symlinks=True)
        program = copy / "usr/bin/livekit-token-server"
        planted = copy / "usr/lib/libplanted.so.1"
        shutil.copyfile(program, planted)
        check_seen(copy, bill, planted)
        planted.unlink()
        with program.open("ab") as file:
            file.write(b"\0")
        check_seen(copy, bill, program)
        program.unlink()
        check_seen(copy, bill, program)

    ours = next(package for package in bill["packages"] if package["name"] == "livekit-token-service")
    check_writer(build_root, ours["versionInfo"], text)
    licensed = [package for package in bill["packages"] if package["licenseDeclared"] != "NOASSERTION"]
    print(f"image: bill of {len(bill['packages'])} packages, {len(licensed)} with licences declared, and "
          f"{len(bill['files'])} files")


if __name__ == "__main__":
    main(*sys.argv[1:])
