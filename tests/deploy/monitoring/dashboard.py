"""The dashboard: what Grafana needs of it, and its queries."""

import json
import pathlib
import re
import subprocess
import tempfile

from rules import ROOT, Wrong

DASHBOARD = ROOT / "deploy/helm/livekit-token-service/files/dashboard.json"
# What Grafana puts in place of variables, for a Prometheus that is scraped every second.
VARIABLES = {"$__rate_interval": "10s", "$job": ".*", "$instance": ".*"}
# Of the formats that Grafana knows, those that fit what there is.
UNITS = {"reqps", "ops", "cps", "s", "percentunit", "short", "bytes"}


def read(path=DASHBOARD):
    return json.loads(pathlib.Path(path).read_text())


def panels(dashboard):
    """All but the rows."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def variables(dashboard):
    return {variable["name"]: variable for variable in dashboard["templating"]["list"]}


def filled(expression):
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    if "$" in expression:
        raise Wrong(f"there is no such variable: {expression}")
    return expression


def queries(dashboard):
    """Panel's title, expression and labels of the legend."""
    for panel in panels(dashboard):
        for target in panel["targets"]:
            yield panel["title"], filled(target["expr"]), re.findall(r"\{\{\s*(\w+)\s*\}\}", target["legendFormat"])


def check_panels(dashboard):
    """Every panel says what it shows, in which unit, and of which processes."""
    if not isinstance(dashboard.get("schemaVersion"), int) or dashboard["schemaVersion"] < 39:
        raise Wrong("the dashboard's schemaVersion is older than that of Grafana 11")
    for name in ("datasource", "job", "instance"):
        if name not in variables(dashboard):
            raise Wrong(f"the dashboard has no variable {name}")
    ids = [panel["id"] for panel in dashboard["panels"]]
    if len(set(ids)) != len(ids):
        raise Wrong("two panels have one id")
    titles = [panel["title"] for panel in panels(dashboard)]
    for panel in panels(dashboard):
        title = panel.get("title")
        if not title or titles.count(title) > 1:
            raise Wrong(f"a panel has no title of its own: {title}")
        if not panel.get("description"):
            raise Wrong(f"{title} has no description")
        if panel["fieldConfig"]["defaults"].get("unit") not in UNITS:
            raise Wrong(f"{title} has no unit of {', '.join(sorted(UNITS))}")
        if panel["datasource"] != {"type": "prometheus", "uid": "${datasource}"}:
            raise Wrong(f"{title} does not ask the chosen data source")
        for target in panel["targets"]:
            for selector in re.findall(r"\w+\{[^}]*\}", target["expr"]):
                if 'job=~"$job", instance=~"$instance"' not in selector:
                    raise Wrong(f"{title} shows more than the chosen processes: {selector}")


def check_layout(dashboard):
    """No panel covers another, and none stands outside."""
    taken = {}
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        if place["x"] + place["w"] > 24:
            raise Wrong(f"{panel['title']} is partly outside")
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                if (x, y) in taken:
                    raise Wrong(f"{panel['title']} covers {taken[x, y]}")
                taken[x, y] = panel["title"]


class Grafana:
    """Reads dashboards by Grafana's own types."""

    def __init__(self, folder):
        self.binary = pathlib.Path(folder, "grafana")
        done = subprocess.run(["go", "build", "-o", self.binary, "."], cwd=pathlib.Path(__file__).parent / "grafana",
                              check=False)
        if done.returncode:
            raise Wrong("the reader of dashboards was not built")

    def check(self, dashboard):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(dashboard, file)
            file.flush()
            done = subprocess.run([self.binary, file.name], capture_output=True, text=True, check=False)
        if done.returncode:
            raise Wrong(f"Grafana's types do not fit: {done.stderr.strip()}")
