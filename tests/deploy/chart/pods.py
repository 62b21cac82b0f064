"""Runs the built programs over what the pods would see: the volumes of a Deployment laid out in a root file system as
the kubelet does it, entered as the pods' user, without network."""

import base64
import hashlib
import json
import os
import pathlib
import secrets
import shutil
import subprocess
import sys

from manifests import of_kind

USER = 65532
TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJwb2QifQ.c2lnbmF0dXJl"

# Parts of this machine that programs need, as the image brings them.
ENTER = r"""
set -eu
root=$1 programs=$2
shift 2
for folder in bin lib lib64 sbin; do
  if [ -L "/$folder" ]; then ln -sfn "$(readlink "/$folder")" "$root/$folder"; fi
done
for folder in usr etc/ssl; do
  mkdir -p "$root/$folder"
  mount --bind "/$folder" "$root/$folder"
  mount -o remount,bind,ro "$root/$folder"
done
mkdir -p "$root/proc"
mount --bind /proc "$root/proc"
cp /etc/ld.so.cache "$root/etc/"
mount -t overlay overlay -o "lowerdir=$programs:/usr/bin" "$root/usr/bin"
ip link set lo up
exec "$@"
"""
CHROOT = ("/usr/bin/env", "-i", "/usr/sbin/chroot", f"--userspec={USER}:{USER}", f"--groups={USER}")
HERE = pathlib.Path(__file__).resolve().parent


class Credentials:
    """What all volumes of a run take their contents from: an authority with credentials, an API key."""

    NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")

    def __init__(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._openssl("req", "-x509", *self.NEW_KEY, "-days", "2", "-subj", "/CN=authority", "-keyout", "ca.key",
                      "-out", "ca.crt")
        self.authority = (folder / "ca.crt").read_text()
        self.leaf, self.key = self._issue(["DNS:leaf.example.com"], "serverAuth")
        self._openssl("pkey", "-in", "leaf.key", "-pubout", "-outform", "DER", "-out", "leaf.der")
        point = (folder / "leaf.der").read_bytes()[-64:]  # of P-256, without compression
        x, y = (base64.urlsafe_b64encode(half).decode().rstrip("=") for half in (point[:32], point[32:]))
        self.jwks = json.dumps({"keys": [{"kty": "EC", "crv": "P-256", "kid": "leaf", "x": x, "y": y}]})
        secret = secrets.token_hex(24)
        self.api_key = f"gateway.{secret}"
        self.api_key_file = f"keys:\n- {{id: gateway, sha256: {hashlib.sha256(secret.encode()).hexdigest()}}}\n"

    def certificate(self, spec):
        """The Secret that cert-manager would make for a Certificate."""
        names = [f"DNS:{name}" for name in spec.get("dnsNames", [])] + [f"URI:{name}" for name in spec.get("uris", [])]
        leaf, key = self._issue(names, "clientAuth" if "client auth" in spec["usages"] else "serverAuth")
        return {"tls.crt": leaf, "tls.key": key, "ca.crt": self.authority}

    def _issue(self, names, usage):
        self._openssl("req", *self.NEW_KEY, "-subj", "/CN=leaf", "-addext", f"subjectAltName={','.join(names)}",
                      "-addext", f"extendedKeyUsage={usage}", "-keyout", "leaf.key", "-out", "leaf.csr")
        self._openssl("x509", "-req", "-in", "leaf.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-days", "2",
                      "-copy_extensions", "copy", "-out", "leaf.crt")
        return (self._folder / "leaf.crt").read_text(), (self._folder / "leaf.key").read_text()

    def _openssl(self, *arguments):
        done = subprocess.run(["openssl", *arguments], cwd=self._folder, capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise RuntimeError(f"openssl {arguments[0]}: {done.stderr}")


def _file_content(path, settings, credentials):
    """What the file that `settings` name at the key path `path` must hold."""
    parent, key = path[-2] if len(path) > 1 else "", path[-1]
    random = secrets.token_hex(24)
    key_id = "API" + pathlib.PurePath(settings[key]).parent.name
    if (parent, key) == ("keys", "file"):
        return f"{settings.get('signing_key', key_id)}: {random}\n"
    if (parent, key) == ("api_keys", "file"):
        return credentials.api_key_file
    if (parent, key) == ("deny_list", "file"):
        return "blocked: [{identity: nobody}]\n"
    contents = {
        "api_key_file": key_id, "api_secret_file": random, "hmac_key_file": random, "client_secret_file": random,
        "caller_token_file": credentials.api_key,
        "cert_file": credentials.leaf, "key_file": credentials.key,
        "ca_file": credentials.authority, "client_ca_file": credentials.authority,
        "jwks_file": credentials.jwks,
    }
    return contents[key]


def named_files(settings, path=()):
    """Every file that a configuration names to read: (key path, settings around it, file)."""
    if isinstance(settings, list):
        for element in settings:
            yield from named_files(element, path)
    elif isinstance(settings, dict):
        for key, value in settings.items():
            if isinstance(value, str) and (key == "file" or key.endswith("_file")) and path[-1:] != ("audit",):
                yield (*path, key), settings, value
            else:
                yield from named_files(value, (*path, key))


class Pod:
    """The file system of a workload's pods."""

    def __init__(self, workload, documents, root, credentials):
        self.problems = []
        self._workload = workload
        self._root = root
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(parents=True)
        rendered = {(document["kind"], document["metadata"]["name"]): document.get("data") or document.get("stringData")
                    for document in of_kind(documents, "ConfigMap", "Secret")}
        rendered |= {("Secret", one["spec"]["secretName"]): credentials.certificate(one["spec"])
                     for one in of_kind(documents, "Certificate")}
        needed = {file: _file_content(path, settings, credentials)
                  for path, settings, file in named_files(workload.config)}
        folders = {mount["name"]: mount["mountPath"] for mount in workload.container["volumeMounts"]}
        for name, volume in workload.volumes.items():
            self._lay_out(folders[name], volume, rendered, needed, credentials)
        for file in needed:
            if not (root / file.lstrip("/")).exists():
                self.problems.append(f"{file} is named, but no volume has it")

    def _lay_out(self, folder, volume, rendered, needed, credentials):
        target = self._root / folder.lstrip("/")
        if "emptyDir" in volume:
            target.mkdir(parents=True)
            os.chown(target, USER, USER)
            return
        mode, files = 0o644, None
        if "configMap" in volume:
            files = rendered.get(("ConfigMap", volume["configMap"]["name"]))
        elif "secret" in volume:
            files, mode = rendered.get(("Secret", volume["secret"]["secretName"])), volume["secret"]["defaultMode"]
        elif "projected" in volume:
            files, mode = {}, volume["projected"]["defaultMode"]
            for source in volume["projected"]["sources"]:
                if "serviceAccountToken" in source:
                    files[source["serviceAccountToken"]["path"]] = TOKEN
                else:
                    files |= {item["path"]: credentials.authority for item in source["configMap"]["items"]}
        if files is None:  # somebody else's: has what the configuration says that it has
            files = {file.rsplit("/", 1)[1]: content for file, content in needed.items()
                     if file.rsplit("/", 1)[0] == folder}
            chosen = [item["path"] for item in volume.get("secret", {}).get("items", [])]
            files = {name: content for name, content in files.items() if not chosen or name in chosen}
        self._write(target, files, mode)

    @staticmethod
    def _write(target, files, mode):
        """As the kubelet: a folder for each generation, and links that lead through `..data`."""
        generation = target / "..2026_01_01_00_00_00.000000001"
        generation.mkdir(parents=True)
        (target / "..data").symlink_to(generation.name)
        for name, content in files.items():
            (generation / name).write_text(content)
            os.chmod(generation / name, mode)
            os.chown(generation / name, 0, USER)
            (target / name).symlink_to(f"..data/{name}")

    def check_config(self, programs):
        """What the program says about its configuration; empty if it is content."""
        done = self._enter(programs, *self._command(), "--check_config")
        said = (done.stdout + done.stderr).strip()
        return self.problems + ([] if done.returncode == 0 else [f"{self._workload.program} --check_config: {said}"])

    def serve(self, programs):
        """Starts the program, asks its probes, and stops it as the kubelet does; what is wrong with that."""
        container, spec = self._workload.container, self._workload.spec
        probes = {probe: container[f"{probe}Probe"]["httpGet"] for probe in ("startup", "liveness", "readiness")}
        plan = {
            "probes": {name: [self._workload.ports[get["port"]], get["path"]] for name, get in probes.items()},
            "grace": spec["terminationGracePeriodSeconds"],
            "memory": container["resources"]["requests"]["memory"],
            "ports": self._workload.ports,
        }
        serve = [sys.executable, HERE / "serve.py", json.dumps(plan)]
        done = self._enter(programs, *self._command(), before=serve)
        return json.loads(done.stdout) if done.returncode == 0 else [f"serve.py: {done.stderr}"]

    def relay_to(self, server, programs, expected):
        """Runs this gateway's pod and a server's, and asks for a token; what is wrong with the answer."""
        (self._root / "etc/resolv.conf").write_text("nameserver 127.0.0.1\n")
        target = self._workload.config["server"]["address"].removeprefix("dns:///").rsplit(":", 1)[0]
        gateway_admin = 9564  # the two share a network here, and one of them its port
        plan = {
            "name": target.rstrip("."),
            "server": [*map(str, (*CHROOT, server._root)), *server._command()],
            "gateway": [*map(str, (*CHROOT, self._root)), *self._command(),
                        f"--admin_listen=127.0.0.1:{gateway_admin}"],
            "ready": {"server": server._workload.ports["admin"], "gateway": gateway_admin},
            "http": self._workload.ports["http"], "expected": expected,
        }
        inner = ["sh", "-c", ENTER, "enter", server._root, programs, sys.executable, HERE / "talk.py", json.dumps(plan)]
        done = self._enter(programs, before=inner)
        return json.loads(done.stdout) if done.returncode == 0 else [f"talk.py: {done.stdout}{done.stderr}"]

    def _command(self):
        return self._workload.container["command"] + self._workload.container["args"]

    def _enter(self, programs, *command, before=()):
        """Runs `command` in the pod; with `before` a program outside of it that is given how to."""
        enter = ["unshare", "--mount", "--net", "sh", "-c", ENTER, "enter", self._root, programs, *before]
        inside = [*CHROOT, self._root, *command] if command else []
        return subprocess.run([*enter, *inside], capture_output=True, text=True, timeout=120)
