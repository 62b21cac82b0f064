"""What helm renders of the chart."""

import json
import subprocess

from processes import ROOT, Missing, need_tool

try:
    import yaml
except ImportError:
    yaml = None

CHART = ROOT / "deploy/helm/livekit-token-service"
INSTALL = ROOT / "tests/deploy/chart/install"
RELEASE, NAMESPACE = "tokens", "livekit"
SECONDS = 600  # that installing may take


class Chart:
    """The chart with values from a file."""

    def __init__(self, values):
        need_tool("node", "npm", "openssl")
        if yaml is None:
            raise Missing("there is no PyYAML: ./dev packages faults")
        done = subprocess.run([INSTALL], capture_output=True, text=True, timeout=SECONDS, check=False)
        if done.returncode:
            raise Missing(f"helm cannot be installed: {done.stderr.strip()}")
        self.helm = f"{done.stdout.strip()}/tools/helm/helm"
        self.values = values

    def render(self, **changed):
        """The objects, with further values by path, such as `{"image.tag": "2"}`."""
        sets = [f"--set-json={path}={json.dumps(value)}" for path, value in changed.items()]
        words = [self.helm, "template", RELEASE, CHART, "--namespace", NAMESPACE, "--skip-tests",
                 f"--values={self.values}", *sets]
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise Missing(f"helm does not render the chart: {done.stderr.strip()}")
        return [document for document in yaml.safe_load_all(done.stdout) if document]


def of_kind(documents, kind):
    return [document for document in documents if document["kind"] == kind]
