"""Runs the built programs over what the pods would see: the volumes of a Deployment laid out in a root file system as
the kubelet does it, entered as the pods' user, without network."""

import base64
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
cp /etc/ld.so.cache "$root/etc/"
mount -t overlay overlay -o "lowerdir=$programs:/usr/bin" "$root/usr/bin"
ip link set lo up
exec "$@"
"""
CHROOT = ("/usr/bin/env", "-i", "/usr/sbin/chroot", f"--userspec={USER}:{USER}", f"--groups={USER}")
HERE = pathlib.Path(__file__).resolve().parent


class Certificates:
    """A certificate, its key and its authority, made once for all volumes."""

    def __init__(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        for command in (
                ("req", "-x509", *new_key, "-days", "2", "-subj", "/CN=authority",
                 "-keyout", "ca.key", "-out", "ca.crt"),
                ("req", *new_key, "-subj", "/CN=leaf", "-addext", "subjectAltName=DNS:leaf.example.com",
                 "-keyout", "leaf.key", "-out", "leaf.csr"),
                ("x509", "-req", "-in", "leaf.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-days", "2",
                 "-copy_extensions", "copy", "-out", "leaf.crt"),
                ("pkey", "-in", "leaf.key", "-pubout", "-outform", "DER", "-out", "leaf.der")):
            done = subprocess.run(["openssl", *command], cwd=folder, capture_output=True, text=True, timeout=60)
            if done.returncode != 0:
                raise RuntimeError(f"openssl {command[0]}: {done.stderr}")
        self.authority, self.leaf, self.key = (
            (folder / name).read_text() for name in ("ca.crt", "leaf.crt", "leaf.key"))
        point = (folder / "leaf.der").read_bytes()[-64:]  # of P-256, without compression
        x, y = (base64.urlsafe_b64encode(half).decode().rstrip("=") for half in (point[:32], point[32:]))
        self.jwks = json.dumps({"keys": [{"kty": "EC", "crv": "P-256", "kid": "leaf", "x": x, "y": y}]})


def _file_content(path, settings, certificates):
    """What the file that `settings` name at the key path `path` must hold."""
    parent, key = path[-2] if len(path) > 1 else "", path[-1]
    random = secrets.token_hex(24)
    key_id = "API" + pathlib.PurePath(settings[key]).parent.name
    if (parent, key) == ("keys", "file"):
        return f"{settings.get('signing_key', key_id)}: {random}\n"
    if (parent, key) == ("api_keys", "file"):
        return f"keys:\n- {{id: gateway, sha256: {secrets.token_hex(32)}}}\n"
    if (parent, key) == ("deny_list", "file"):
        return "blocked: [{identity: nobody}]\n"
    contents = {
        "api_key_file": key_id, "api_secret_file": random, "hmac_key_file": random, "client_secret_file": random,
        "caller_token_file": f"gateway.{random}",
        "cert_file": certificates.leaf, "key_file": certificates.key,
        "ca_file": certificates.authority, "client_ca_file": certificates.authority,
        "jwks_file": certificates.jwks,
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

    def __init__(self, workload, documents, root, certificates):
        self.problems = []
        self._workload = workload
        self._root = root
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(parents=True)
        rendered = {(document["kind"], document["metadata"]["name"]): document.get("data") or document.get("stringData")
                    for document in of_kind(documents, "ConfigMap", "Secret")}
        needed = {file: _file_content(path, settings, certificates)
                  for path, settings, file in named_files(workload.config)}
        folders = {mount["name"]: mount["mountPath"] for mount in workload.container["volumeMounts"]}
        for name, volume in workload.volumes.items():
            self._lay_out(folders[name], volume, rendered, needed, certificates)
        for file in needed:
            if not (root / file.lstrip("/")).exists():
                self.problems.append(f"{file} is named, but no volume has it")

    def _lay_out(self, folder, volume, rendered, needed, certificates):
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
                    files |= {item["path"]: certificates.authority for item in source["configMap"]["items"]}
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

    def _command(self):
        return self._workload.container["command"] + self._workload.container["args"]

    def _enter(self, programs, *command, before=()):
        """Runs `command` in the pod; with `before` a program outside of it that is given how to."""
        enter = ["unshare", "--mount", "--net", "sh", "-c", ENTER, "enter", self._root, programs, *before]
        return subprocess.run([*enter, *CHROOT, self._root, *command], capture_output=True, text=True, timeout=120)
