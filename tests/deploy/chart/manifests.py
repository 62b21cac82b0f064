"""Renderings of the chart and builds of the kustomizations, as lists of Kubernetes objects."""

import pathlib
import re
import secrets
import subprocess

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[3]
CHART = ROOT / "deploy/helm/livekit-token-service"
KUSTOMIZE = ROOT / "deploy/kustomize"
NAMESPACE = "livekit"


class Refused(Exception):
    """helm or kubectl has said no."""


class Tools:
    """helm and kubectl."""

    def __init__(self, folder):
        self._helm = folder / "helm/helm"
        self._kubectl = folder / "kubectl/kubectl"

    def template(self, files, version="1.33.0", more=(), release="tokens"):
        """What helm renders for Kubernetes `version`, as text."""
        values = [f"--values={file}" for file in files]
        return self._run(self._helm, "template", release, CHART, "--namespace", NAMESPACE, "--kube-version", version,
                         *values, *more)

    def base(self):
        """What kustomize's base must be."""
        return self.template([KUSTOMIZE / "base/values.yaml"], more=["--skip-tests"], release="livekit-token-service")

    def lint(self, file, version, more=()):
        return self._run(self._helm, "lint", "--strict", CHART, "--kube-version", version, f"--values={file}", *more)

    def kustomize(self, folder):
        return self._run(self._kubectl, "kustomize", folder)

    @staticmethod
    def _run(*command):
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            raise Refused(done.stderr.strip() or done.stdout.strip())
        return done.stdout


def parse(text):
    return [document for document in yaml.safe_load_all(text) if document]


def of_kind(documents, *kinds):
    return [document for document in documents if document["kind"] in kinds]


def name_of(document):
    return f"{document['kind']} {document['metadata']['name']}"


class ValueSet:
    """A file of the chart's ci/. Its comment may state more arguments of helm (`# helm: …`, where RANDOM is a new
    secret each time) and the oldest Kubernetes that it is for (`# kubernetes: 1.30`)."""

    def __init__(self, path):
        text = path.read_text()
        self.path = path
        self.name = path.name.removesuffix("-values.yaml")
        stated = re.search(r"^# helm: (.*)$", text, re.M)
        arguments = stated.group(1).split() if stated else []
        self.more = [re.sub("RANDOM", lambda _: secrets.token_hex(20), argument) for argument in arguments]
        least = re.search(r"^# kubernetes: 1\.(\d+)$", text, re.M)
        self.least_minor = int(least.group(1)) if least else 0


def value_sets():
    return [ValueSet(path) for path in sorted(CHART.glob("ci/*-values.yaml"))]
