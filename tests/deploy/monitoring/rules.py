"""The alert rules: promtool's own checks, unit tests of every alert, and a runbook for each."""

import pathlib
import re
import subprocess
import tempfile

import yaml

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
ALERTS = ROOT / "deploy/helm/livekit-token-service/files/alerts.yaml"
UNIT_TESTS = sorted((HERE / "rules").glob("*.yaml"))
SEVERITIES = {"critical", "warning", "info"}
ANNOTATIONS = {"summary", "description", "runbook"}


class Wrong(Exception):
    """What is wrong, as a sentence."""


def promtool(*arguments):
    """Runs promtool, and returns what it says."""
    path = subprocess.run([ROOT / "tests/support/promtool"], stdout=subprocess.PIPE, text=True, check=False)
    if path.returncode:
        raise Wrong("there is no promtool")
    done = subprocess.run([path.stdout.strip(), *arguments], text=True, capture_output=True, check=False)
    if done.returncode:
        raise Wrong(f"promtool {' '.join(map(str, arguments))}:\n{done.stdout}{done.stderr}")
    return done.stdout


def read(path=ALERTS):
    """All rules, alerts and recordings."""
    return [rule for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


def alerts(rules):
    return [rule for rule in rules if "alert" in rule]


def check_syntax(path=ALERTS):
    promtool("check", "rules", path)


def heading_anchors(text):
    """The anchors of a Markdown text's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+?)\s*$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


def check_alerts(rules, runbooks):
    """Every alert has what whoever is woken by it needs."""
    names = [rule["alert"] for rule in alerts(rules)]
    for rule in alerts(rules):
        name = rule["alert"]
        if names.count(name) > 1:
            raise Wrong(f"there is more than one alert {name}")
        if rule.get("labels", {}).get("severity") not in SEVERITIES:
            raise Wrong(f"{name} has no severity of {', '.join(sorted(SEVERITIES))}")
        if set(rule.get("annotations", {})) != ANNOTATIONS:
            raise Wrong(f"{name} has other annotations than {', '.join(sorted(ANNOTATIONS))}")
        file, _, anchor = rule["annotations"]["runbook"].partition("#")
        if file != "deploy/README.md" or anchor not in runbooks:
            raise Wrong(f"{name}: its runbook {rule['annotations']['runbook']} is no heading of deploy/README.md")


def runbook_anchors():
    return set().union(*(heading_anchors(path.read_text()) for path in (ROOT / "deploy").glob("README*.md")))


def unit_tests():
    """All tests, and what each file expects: pairs of an alert's name and its labels, nothing where it is silent."""
    for path in UNIT_TESTS:
        for test in yaml.safe_load(path.read_text())["tests"]:
            for case in test["alert_rule_test"]:
                expected = case["exp_alerts"]
                yield case["alertname"], [alert["exp_labels"] for alert in expected]


def check_coverage(rules):
    """Every alert is seen to fire and to be silent, and its texts name labels that it has when it fires."""
    cases = list(unit_tests())
    for rule in alerts(rules):
        name = rule["alert"]
        fired = [labels for alert, found in cases if alert == name for labels in found]
        if not fired:
            raise Wrong(f"no test lets {name} fire")
        if not any(alert == name and not found for alert, found in cases):
            raise Wrong(f"no test has {name} silent")
        used = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
        for labels in fired:
            if not used <= set(labels):
                raise Wrong(f"{name} names labels that it has not: {', '.join(sorted(used - set(labels)))}")
    unknown = {alert for alert, _ in cases} - {rule["alert"] for rule in alerts(rules)}
    if unknown:
        raise Wrong(f"there are tests of alerts that do not exist: {', '.join(sorted(unknown))}")


def run_unit_tests(path=ALERTS, only=None):
    """Runs all tests, or those of one alert. promtool compares annotations too; those are texts, which tests do not
    repeat."""
    content = yaml.safe_load(path.read_text())
    for group in content["groups"]:
        group["rules"] = [rule for rule in group["rules"] if only in (None, rule.get("alert", only))]
        for rule in group["rules"]:
            rule.pop("annotations", None)
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "alerts.yaml").write_text(yaml.safe_dump(content))
        copies = []
        for test in UNIT_TESTS:
            # Everything as text: `0x5`, a series of zeros, would be a number.
            tests = yaml.load(test.read_text(), yaml.BaseLoader)
            for one in tests["tests"]:
                one["alert_rule_test"] = [case for case in one["alert_rule_test"] if only in (None, case["alertname"])]
            tests["tests"] = [one for one in tests["tests"] if one["alert_rule_test"]]
            if tests["tests"]:
                copies.append(pathlib.Path(folder, "test_" + test.name))
                copies[-1].write_text(yaml.safe_dump(tests))
        promtool("test", "rules", *copies)
