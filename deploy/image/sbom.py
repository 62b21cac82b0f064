#!/usr/bin/env python3
"""Software bill of materials of the image's root file system, as SPDX 2.3, from the files that are there.

Usage: sbom.py packages ROOT                  prints the Debian packages that files below ROOT are from
       sbom.py write ROOT PROGRAMS VERSION    writes ROOT/usr/share/doc/livekit-token-service/sbom.spdx.json

Runs on the system that ROOT was copied from. A file that is neither from a package of that system, as it came with the
package, nor ours is an error. The same files give the same document.
"""
import datetime
import hashlib
import json
import os
import subprocess
import sys
import urllib.parse
import uuid
from pathlib import Path

import licences

HERE = Path(__file__).resolve().parent
OURS = "livekit-token-service"
DOCUMENT = f"usr/share/doc/{OURS}/sbom.spdx.json"
# Made by a package's scripts when it is installed, and so in no list of its files.
GENERATED = {"etc/ssl/certs/ca-certificates.crt": "ca-certificates"}
# Of these, only headers are used: they are part of our programs.
COMPILED_IN = ["nlohmann-json3-dev"]


def fail(message):
    sys.exit(f"sbom: {message}")


def digest(path, algorithm):
    return hashlib.new(algorithm, path.read_bytes()).hexdigest()


def regular_files(root):
    """All files below `root` by their path in it, but for the document itself and links, whose targets are here too."""
    found = sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    return [path for path in found if path != DOCUMENT]


def packaged(paths):
    """Which Debian package each path is from, as far as one is."""
    owners = {}
    query = subprocess.run(["dpkg-query", "-S", "--"] + ["/" + path for path in paths],
                           env=dict(os.environ, LC_ALL="C"), capture_output=True, text=True, check=False)
    for line in query.stdout.splitlines():
        names, _, path = line.partition(": /")
        owners[path] = names.split(", ")[0]
    return owners


def shipped_sums(package):
    """The MD5 sums with which the package came, by path."""
    names = [package, package.partition(":")[0]]
    for file in [Path(f"/var/lib/dpkg/info/{name}.md5sums") for name in names]:
        if file.exists():
            return {path: md5 for md5, path in (line.split("  ", 1) for line in file.read_text().splitlines())}
    return {}


def attribute(root, programs):
    """The component of every file: a Debian package or OURS. `programs` is what our build has installed."""
    paths = regular_files(root)
    owners = packaged(paths)
    components = {}
    for path in paths:
        own = [place / path for place in (programs, HERE / "files") if place and (place / path).is_file()]
        if any(file.read_bytes() == (root / path).read_bytes() for file in own):
            components[path] = OURS
        elif path in owners:
            sums = shipped_sums(owners[path])
            if path in sums and sums[path] != digest(root / path, "md5"):
                fail(f"{path} is not as {owners[path]} brings it")
            components[path] = owners[path]
        elif path in GENERATED:
            components[path] = GENERATED[path]
    names = {component.partition(":")[0]: component for component in components.values()}
    for path in paths:
        folder, _, file = path.rpartition("/")
        # What `collect` has written about a component.
        if folder == "var/lib/dpkg/status.d":
            components[path] = names.get(file)
        elif path == f"usr/share/doc/{folder.rpartition('/')[2]}/copyright":
            components[path] = names.get(folder.rpartition("/")[2])
    unknown = [path for path in paths if not components.get(path)]
    if unknown:
        fail("from no package, and not ours: " + ", ".join(unknown))
    return components


def facts(package):
    keys = ["Package", "Version", "Architecture", "source:Package", "source:Version", "Maintainer"]
    text = subprocess.run(["dpkg-query", "-W", "-f", "\n".join("${" + key + "}" for key in keys), package],
                          capture_output=True, text=True, check=True).stdout
    return dict(zip(keys, text.split("\n")))


def identifier(kind, name):
    return f"SPDXRef-{kind}-" + name.replace("+", "plus").replace("_", "-").replace("/", "-").replace(":", "-")


def debian_package(package):
    """A package as SPDX has it, without its files."""
    know = facts(package)
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    quoted = urllib.parse.quote
    text = Path(f"/usr/share/doc/{know['Package']}/copyright").read_text(encoding="utf-8", errors="replace")
    purl = (f"pkg:deb/debian/{quoted(know['Package'], safe='')}@{quoted(know['Version'], safe='')}"
            f"?arch={know['Architecture']}&distro=debian-{release['VERSION_ID'].strip(chr(34))}"
            f"&upstream={quoted(know['source:Package'], safe='')}")
    return {
        "SPDXID": identifier("Package", package),
        "name": know["Package"],
        "versionInfo": know["Version"],
        "supplier": "Organization: Debian",
        "originator": "Person: " + know["Maintainer"].replace("<", "(").replace(">", ")"),
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "sourceInfo": f"source package {know['source:Package']} {know['source:Version']}",
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": licences.declared(text),
        "copyrightText": "NOASSERTION",
        "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}],
    }


def own_package(version):
    return {
        "SPDXID": identifier("Package", OURS), "name": OURS, "versionInfo": version, "supplier": "NOASSERTION",
        "downloadLocation": "NOASSERTION", "filesAnalyzed": False, "licenseConcluded": "Apache-2.0",
        "licenseDeclared": "Apache-2.0", "copyrightText": "NOASSERTION", "primaryPackagePurpose": "APPLICATION",
    }


def file_entry(root, path):
    return {
        "SPDXID": identifier("File", hashlib.sha256(path.encode()).hexdigest()[:16]),
        "fileName": "./" + path,
        "checksums": [{"algorithm": name.upper(), "checksumValue": digest(root / path, name)}
                      for name in ("sha1", "sha256")],
        "licenseConcluded": "NOASSERTION",
        "licenseInfoInFiles": ["NOASSERTION"],
        "copyrightText": "NOASSERTION",
    }


def verification_code(entries):
    """SPDX 2.3, 7.9: a package's files as one sum."""
    sums = sorted(entry["checksums"][0]["checksumValue"] for entry in entries)
    return {"packageVerificationCodeValue": hashlib.sha1("".join(sums).encode()).hexdigest()}


def creation_time(root, components):
    """When the newest file of a package was made, or SOURCE_DATE_EPOCH: the time of day would differ every time."""
    seconds = os.environ.get("SOURCE_DATE_EPOCH")
    if seconds is None:
        foreign = [path for path, component in components.items() if component != OURS]
        seconds = max((root / path).stat().st_mtime for path in packaged(foreign))
    return datetime.datetime.fromtimestamp(int(float(seconds)), datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def document(root, components, version):
    files = {path: file_entry(root, path) for path in components}
    packages = {name: own_package(version) if name == OURS else debian_package(name)
                for name in sorted(set(components.values()))}
    relations = [("SPDXRef-DOCUMENT", "DESCRIBES", identifier("Package", OURS))]
    for name, package in packages.items():
        entries = [files[path] for path in sorted(files) if components[path] == name]
        package["filesAnalyzed"] = True
        package["packageVerificationCode"] = verification_code(entries)
        package["licenseInfoFromFiles"] = ["NOASSERTION"]
        relations += [(package["SPDXID"], "CONTAINS", entry["SPDXID"]) for entry in entries]
        if name != OURS:
            relations.append((identifier("Package", OURS), "DEPENDS_ON", package["SPDXID"]))
    for name in COMPILED_IN:
        packages[name] = debian_package(name)
        relations.append((identifier("Package", OURS), "STATIC_LINK", packages[name]["SPDXID"]))
    references = sorted({word.strip("()") for package in packages.values()
                         for word in package["licenseDeclared"].split() if "LicenseRef-" in word})
    content = json.dumps([files, packages], sort_keys=True)
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"{OURS}-{version}",
        "documentNamespace": "urn:uuid:" + str(uuid.UUID(hashlib.sha256(content.encode()).hexdigest()[:32])),
        "creationInfo": {"created": creation_time(root, components), "creators": [f"Tool: {OURS}-sbom-{version}"]},
        "packages": list(packages.values()),
        "files": list(files.values()),
        "relationships": [{"spdxElementId": one, "relationshipType": how, "relatedSpdxElement": other}
                          for one, how, other in relations],
        "hasExtractedLicensingInfos": [
            {"licenseId": name, "name": name.removeprefix("LicenseRef-debian-"),
             "extractedText": "The text is in /usr/share/doc/*/copyright of the packages that declare it."}
            for name in references],
    }


def main(command, root, programs=None, version=None):
    root = Path(root)
    if command == "packages":
        # Our own files are not asked for yet.
        owners = packaged(regular_files(root)).values()
        print("\n".join(sorted(set(owners) | {GENERATED[path] for path in GENERATED if (root / path).exists()})))
    elif command == "write":
        components = attribute(root, Path(programs))
        text = json.dumps(document(root, components, version), indent=1, sort_keys=True) + "\n"
        (root / DOCUMENT).parent.mkdir(parents=True, exist_ok=True)
        (root / DOCUMENT).write_text(text, encoding="utf-8")
    else:
        fail(f"no command {command}")


if __name__ == "__main__":
    if len(sys.argv) not in (3, 5):
        sys.exit(__doc__)
    main(*sys.argv[1:])
