"""Authorities and certificates."""

import subprocess

from processes import Failed

KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
SECONDS = 20  # that openssl may take


def openssl(*words):
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, timeout=SECONDS, check=False,
                          umask=0o077, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise Failed(f"`openssl {words[0]}`: {done.stderr.strip()}")
    return done.stdout


class Authority:
    """A certificate authority with its files in `folder`."""

    def __init__(self, folder, name):
        self.cert = folder / f"{name}.ca.crt"
        self.key = folder / f"{name}.ca.key"
        openssl("req", "-x509", *KEY, "-days", 2, "-subj", f"/CN={name}", "-keyout", self.key, "-out", self.cert)

    def certify(self, folder, name, alternative_name, subject=None, days=2):
        """Writes NAME.crt and NAME.key. The alternative name is as in `DNS:localhost`; None for none. With
        negative days it has expired."""
        request, cert, key = (folder / f"{name}.{kind}" for kind in ("csr", "crt", "key"))
        extension = ["-addext", f"subjectAltName={alternative_name}"] if alternative_name else []
        openssl("req", *KEY, "-subj", f"/CN={subject or name}", *extension, "-keyout", key, "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self.key, "-days", days,
                "-copy_extensions", "copy", "-out", cert)
        request.unlink()
        return cert, key
