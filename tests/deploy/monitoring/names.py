"""Whether alerts and dashboard name metrics and labels that there are."""

import re

import promql
from rules import Wrong

# What a scrape adds to every series, and the one metric that it adds; `namespace` where Prometheus finds pods.
TARGET_LABELS = {"job", "instance", "namespace"}
SCRAPED = {"up": set()}


def shown(texts):
    """The labels of every metric in these texts of /metrics, by the metric's name."""
    found = {}
    for text in texts:
        for line in text.splitlines():
            if line.startswith("#") or not line:
                continue
            series = re.fullmatch(r"([a-zA-Z_:]+)(?:\{(.*)\})? \S+", line)
            if series is None:
                raise Wrong(f"this is no series: {line}")
            found.setdefault(series[1], set()).update(re.findall(r'(\w+)="', series[2] or ""))
    return found


def check(expression, metrics):
    """Refuses an expression that names what is not in `metrics`."""
    named = promql.read(expression)
    possible = set(TARGET_LABELS)
    for metric, labels in named.selectors.values():
        if metric not in metrics:
            raise Wrong(f"no program shows {metric}: {expression}")
        unknown = labels - metrics[metric] - TARGET_LABELS
        if unknown:
            raise Wrong(f"{metric} has no label {', '.join(sorted(unknown))}: {expression}")
        possible |= metrics[metric]
    if not named.labels <= possible:
        raise Wrong(f"nothing has the label {', '.join(sorted(named.labels - possible))}: {expression}")


def check_rules(rules, metrics):
    """The same for all rules, which may use what rules record."""
    known = {**metrics, **SCRAPED}
    for rule in rules:
        if "record" in rule:
            known[rule["record"]] = promql.read(rule["expr"]).labels
    for rule in rules:
        check(rule["expr"], known)
        for labels in re.findall(r"\$labels\.(\w+)", str(rule.get("annotations", ""))):
            if not any(labels in of for of in known.values()) and labels not in TARGET_LABELS:
                raise Wrong(f"nothing has the label {labels} in the texts of {rule['alert']}")


def check_dashboard(queries, metrics):
    for _, expression, legend in queries:
        check(expression, metrics)
        named = promql.read(expression)
        of_metrics = set().union(*(metrics[name] for name, _ in named.selectors.values()))
        possible = named.labels | TARGET_LABELS | of_metrics
        if not set(legend) <= possible:
            raise Wrong(f"a legend shows labels that there are not, of {expression}: {', '.join(legend)}")
