"""Licences of Debian packages as SPDX expressions."""
import re

# Debian's short names where SPDX has another one; those that are the same but for case are found without.
SPDX = {
    "apache-2": "Apache-2.0",
    "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause",
    "bsd-4-clause": "BSD-4-Clause",
    "bsl-1": "BSL-1.0",
    "cc0": "CC0-1.0",
    "expat": "MIT",
    "gfdl-1.3+": "GFDL-1.3-or-later",
    "gpl-1+": "GPL-1.0-or-later",
    "gpl-2": "GPL-2.0-only",
    "gpl-2+": "GPL-2.0-or-later",
    "gpl-3": "GPL-3.0-only",
    "gpl-3+": "GPL-3.0-or-later",
    "lgpl-2": "LGPL-2.0-only",
    "lgpl-2+": "LGPL-2.0-or-later",
    "lgpl-2.1": "LGPL-2.1-only",
    "lgpl-2.1+": "LGPL-2.1-or-later",
    "lgpl-3": "LGPL-3.0-only",
    "lgpl-3+": "LGPL-3.0-or-later",
    "mpl-2.0": "MPL-2.0",
}
SAME = {"Apache-2.0", "BSL-1.0", "CC0-1.0", "curl", "FSFAP", "FSFULLR", "ISC", "MIT", "OpenSSL", "Zlib", "X11"}
SPDX.update({name.lower(): name for name in SAME})


def one(name):
    """A licence's identifier: SPDX's own, or a reference to what the package calls it."""
    return SPDX.get(name.lower()) or "LicenseRef-debian-" + re.sub(r"[^A-Za-z0-9.-]+", "-", name).strip("-")


def expression(text):
    """`A`, `A and B` or `A or B` in Debian's names; anything else is one licence of that name."""
    for word in ("and", "or"):
        parts = re.split(rf",?\s+{word}\s+", text)
        if len(parts) > 1 and not any(re.search(r"\s", part) for part in parts):
            return "(" + f" {word.upper()} ".join(one(part) for part in parts) + ")"
    return one(text)


def declared(copyright_text):
    """All licences that a machine-readable debian/copyright states for files; NOASSERTION if it is prose."""
    if not re.match(r"Format(-Specification)?:", copyright_text):
        return "NOASSERTION"
    found = set()
    for paragraph in re.split(r"\n\s*\n", copyright_text):
        name = re.search(r"^License:[ \t]*(\S.*)$", paragraph, re.MULTILINE)
        if name and re.search(r"^Files:", paragraph, re.MULTILINE):
            found.add(expression(name.group(1).strip()))
    return " AND ".join(sorted(found)) or "NOASSERTION"
