"""Licences of Debian packages as SPDX expressions."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "deploy/image"))
import licences  # noqa: E402

MACHINE_READABLE = """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
License: not-of-a-file

Files: *
Copyright: 2020 Somebody
License: GPL-2+ or Expat
 The text.

Files: debian/*
License: BSD-3-clause

License: BSD-4-clause
 Nobody uses it.
"""


class LicencesTest(unittest.TestCase):
    def test_names_are_those_of_spdx(self):
        for debian, spdx in (("Expat", "MIT"), ("GPL-2+", "GPL-2.0-or-later"), ("LGPL-2.1", "LGPL-2.1-only"),
                             ("BSD-3-clause", "BSD-3-Clause"), ("zlib", "Zlib")):
            self.assertEqual(licences.expression(debian), spdx)

    def test_others_become_references(self):
        self.assertEqual(licences.expression("public-domain"), "LicenseRef-debian-public-domain")
        self.assertEqual(licences.expression("GPL-3+ with Bison exception"),
                         "LicenseRef-debian-GPL-3-with-Bison-exception")
        # Not an exception's `and`, nor a part of a name.
        self.assertEqual(licences.expression("GPL-2 with a and b"), "LicenseRef-debian-GPL-2-with-a-and-b")

    def test_several_are_combined(self):
        self.assertEqual(licences.expression("curl and ISC"), "(curl AND ISC)")
        self.assertEqual(licences.expression("GPL-2+, or MIT"), "(GPL-2.0-or-later OR MIT)")

    def test_only_licences_of_files_are_declared(self):
        self.assertEqual(licences.declared(MACHINE_READABLE), "(GPL-2.0-or-later OR MIT) AND BSD-3-Clause")

    def test_prose_is_not_guessed_at(self):
        self.assertEqual(licences.declared("This package was debianized by hand.\n\nLicense: MIT\n"), "NOASSERTION")


if __name__ == "__main__":
    unittest.main()
