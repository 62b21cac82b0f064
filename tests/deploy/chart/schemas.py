"""Kubernetes' own schemas of several versions, and those of custom resources. Fields that they lack are errors."""

import functools
import json
import pathlib
import subprocess

import kubernetes_validate
from kubernetes_validate import utils

# The oldest that the chart is for, and every third since.
VERSIONS = ("1.27", "1.30", "1.33", "1.36")
CUSTOM = ("cert-manager.io/", "monitoring.coreos.com/", "gateway.networking.k8s.io/")
HERE = pathlib.Path(__file__).resolve().parent

utils.schema_contents = functools.lru_cache(maxsize=None)(utils.schema_contents)


def is_custom(document):
    return document["apiVersion"].startswith(CUSTOM)


def problems(documents, version):
    """Of the objects that Kubernetes itself knows."""
    if version not in utils.all_versions() and f"{version}.0" not in utils.all_versions():
        raise RuntimeError(f"there are no schemas of Kubernetes {version}")
    found = []
    for document in documents:
        if is_custom(document):
            continue
        name = f"{document.get('kind')} {document.get('metadata', {}).get('name')}"
        try:
            kubernetes_validate.validate(document, f"{version}.0", strict=True)
        except kubernetes_validate.ValidationError as error:
            place = ".".join(str(part) for part in error.absolute_path)
            found.append(f"{name}: Kubernetes {version}: {place}: {error.message[:200]}")
        except kubernetes_validate.SchemaNotFoundError:
            found.append(f"{name}: Kubernetes {version} does not know {document['apiVersion']} {document['kind']}")
    return found


def custom_problems(documents, work):
    """Of the objects of cert-manager, the Prometheus operator and the Gateway API."""
    custom = [document for document in documents if is_custom(document)]
    if not custom:
        return []
    done = subprocess.run(["node", HERE / "custom_resources.mjs", work / "node_modules"], input=json.dumps(custom),
                          capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise RuntimeError(f"custom_resources.mjs: {done.stderr}")
    return json.loads(done.stdout)
