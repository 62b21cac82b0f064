"""Runs every check of the chart and of the plain manifests; called by ./run."""

import argparse
import json
import pathlib
import re
import shlex
import sys
import time

import yaml

import meaning
import pod_security
import schemas
import selftest
from manifests import CHART, KUSTOMIZE, ROOT, Refused, Tools, of_kind, parse, value_sets
from pods import Credentials, Pod

HERE = pathlib.Path(__file__).resolve().parent
# Value sets whose pods are also started. A gateway alone never gets ready, so those of its server.
SERVED = ("default", "programs", "split-existing-certificates")
# Value sets of mode split whose gateway is asked for a token, and the answer: who has no credential is refused by the
# server, so the gateway was let in; guests get a token.
RELAYED = {"split-cert-manager": [401, "AUTHENTICATION_REQUIRED"], "split-api-key": [201, "participant_token"]}
SCHEMA_REFUSED = "values don't meet the specifications of the schema"


class Report:
    """Prints what was checked and counts what does not hold."""

    def __init__(self):
        self.passed = self.failed = 0

    def say(self, what, problems):
        if problems:
            self.failed += 1
            print(f"FAILED {what}")
            for problem in problems:
                print(f"    {problem}")
        else:
            self.passed += 1
            print(f"ok     {what}")
        sys.stdout.flush()


def check_documents(report, name, documents, work, programs, credentials):
    """Everything that does not depend on the version of Kubernetes."""
    report.say(f"{name}: schemas of custom resources", schemas.custom_problems(documents, work))
    report.say(f"{name}: Pod Security restricted", pod_security.problems(documents))
    report.say(f"{name}: meaning", meaning.problems(documents))
    pods = {}
    for workload in meaning.workloads(documents):
        pod = Pod(workload, documents, work / "pods" / name / workload.program, credentials)
        pods[workload.program] = pod
        report.say(f"{name}: {workload.program} --check_config", pod.check_config(programs))
        if name in SERVED and workload.program != "livekit-token-gateway":
            report.say(f"{name}: {workload.program} starts, answers probes, stops in time", pod.serve(programs))
    if name in RELAYED:
        gateway, server = pods["livekit-token-gateway"], pods["livekit-token-server"]
        report.say(f"{name}: the gateway relays to the server by its name in DNS",
                   gateway.relay_to(server, programs, RELAYED[name]))


def check_value_set(report, values, tools, work, programs, credentials):
    newest = f"{schemas.VERSIONS[-1]}.0"
    try:
        tools.lint(values.path, newest, values.more)
        report.say(f"{values.name}: helm lint --strict", [])
        found = []
        versions = [version for version in schemas.VERSIONS if int(version.split(".")[1]) >= values.least_minor]
        for version in versions:
            documents = parse(tools.template([values.path], f"{version}.0", values.more))
            found += schemas.problems(documents, version)
        report.say(f"{values.name}: schemas of Kubernetes {', '.join(versions)}", found)
        check_documents(report, values.name, documents, work, programs, credentials)
    except Refused as error:
        report.say(values.name, [str(error)])


def check_wrong_values(report, tools):
    """Every file of wrong/ says in its first line with which words it is refused, on top of the default value set."""
    by_schema = 0
    for path in sorted((HERE / "wrong").glob("*.yaml")):
        expected = re.match(r"# refused: (.+)\n", path.read_text()).group(1)
        version = re.search(r"^# kubernetes: (.+)$", path.read_text(), re.M)
        try:
            tools.template([CHART / "ci/default-values.yaml", path], version.group(1) if version else "1.33.0")
            report.say(f"wrong/{path.name}", ["was accepted"])
        except Refused as error:
            by_schema += SCHEMA_REFUSED in str(error)
            as_expected = expected in str(error)
            report.say(f"wrong/{path.name}", [] if as_expected else [f"says: {error}", f"not: {expected}"])
    report.say(f"the schema itself refuses {by_schema} wrong value files", [] if by_schema >= 10 else ["fewer than 10"])


def check_schema_fields(report):
    """The values' schema knows the fields that the programs' configuration has."""
    schema = json.loads((CHART / "values.schema.json").read_text())["properties"]["config"]["properties"]
    for name, message, known in (("server_config", "ServerConfig", set(schema) - {"gateway"}),
                                 ("gateway_config", "GatewayConfig", set(schema["gateway"]["properties"]))):
        text = (ROOT / f"proto/livekit/token/config/v1/{name}.proto").read_text()
        body = re.search(rf"message {message} {{\n(.*?)\n}}", text, re.S).group(1)
        fields = set(re.findall(r"^  (?:repeated |optional )?[\w.]+ (\w+) = \d+;", body, re.M))
        report.say(f"values.schema.json has the {len(fields)} fields of {message}", sorted(fields ^ known))


def check_schema_values(report):
    """values.yaml names, and so describes, every value that the schema permits."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = json.loads((CHART / "values.schema.json").read_text())
    # What Kubernetes, the programs or Helm describe.
    elsewhere = {"config", "global", "resources", "startupProbe", "livenessProbe", "readinessProbe"}

    def differences(place, there, permitted):
        if "$ref" in permitted:
            permitted = schema["definitions"][permitted["$ref"].rsplit("/", 1)[1]]
        if permitted.get("type") != "object" or "properties" not in permitted or permitted.get("properties") == own:
            return
        names = set(permitted["properties"]) - elsewhere
        for name in sorted(names ^ (set(there) - elsewhere)):
            yield f"{place}{name}"
        for name in sorted(names & set(there)):
            yield from differences(f"{place}{name}.", there[name], permitted["properties"][name])

    own = schema["definitions"]["component"]["properties"]
    report.say("values.yaml has the values of the schema", list(differences("", values, schema)))
    lacking = sorted(set(own) - set(schema["properties"]))
    report.say("what components state for themselves all may state together", lacking)


def check_rolls(report, tools):
    """Pods are replaced for what is read at the start only, and only those that read it."""
    changes = {  # and the programs whose pods are replaced in mode split
        "livekit.url=wss://other.example.com": (), "jwt.audiences={other}": (), "livekit.signingKey=APIother": (),
        "config.log_level=debug": (), "config.rate_limits.per_address=1/s": (),
        "config.drain.delay=9s": ("server",), "config.reflection=true": ("server",),
        "config.audit.blocking=true": ("server",),
        "config.listen.max_connection_age=30s": ("server",), "config.listen.grpc=[::]:50052": ("server", "gateway"),
        "config.gateway.sandbox=true": ("gateway",), "config.gateway.drain.delay=9s": ("gateway",),
    }
    modes = {"standalone": CHART / "ci/default-values.yaml",
             "split": CHART / "ci/split-service-account-values.yaml"}

    def templates_of(mode, *more):
        # A time to stop that is stated does not change with `drain`.
        settings = [f"--set={setting}" for setting in ("terminationGracePeriodSeconds=100", *more)]
        deployments = of_kind(parse(tools.template([modes[mode]], more=settings)), "Deployment")
        templates = [one["spec"]["template"] for one in deployments]
        return {one["spec"]["containers"][0]["name"]: one for one in templates}

    for mode in modes:
        before, found = templates_of(mode), []
        for change, programs in changes.items():
            now = templates_of(mode, change)
            replaced = {name for name in before if now[name] != before[name]}
            expected = set(programs) if mode == "split" else {"standalone"} if programs else set()
            if replaced != expected:
                found.append(f"{change} replaces {replaced}, not {expected}")
        report.say(f"mode {mode}: {len(changes)} changes replace the pods that read them at the start only", found)


def check_passed_on(report, tools):
    """What an operator says about pods stands in them."""
    path = CHART / "ci/scheduling-values.yaml"
    said = yaml.safe_load(path.read_text())
    (deployment,) = of_kind(parse(tools.template([path])), "Deployment")
    pod, (container,) = deployment["spec"]["template"]["spec"], deployment["spec"]["template"]["spec"]["containers"]
    metadata = deployment["spec"]["template"]["metadata"]
    expected = {key: (said[key], pod.get(key)) for key in (
        "imagePullSecrets", "priorityClassName", "nodeSelector", "tolerations", "affinity")}
    expected["fullnameOverride"] = (said["fullnameOverride"], deployment["metadata"]["name"])
    expected["replicaCount"] = (said["replicaCount"], deployment["spec"].get("replicas"))
    expected["image"] = (f"{said['image']['repository']}@{said['image']['digest']}", container["image"])
    expected["extraEnv"] = (said["extraEnv"], container.get("env"))
    expected["extraVolumes"] = (said["extraVolumes"], [one for one in pod["volumes"] if one["name"] == "audit"])
    expected["extraVolumeMounts"] = (said["extraVolumeMounts"],
                                     [one for one in container["volumeMounts"] if one["name"] == "audit"])
    for key, there in (("podAnnotations", metadata["annotations"]), ("podLabels", metadata["labels"])):
        expected[key] = (said[key], {name: there.get(name) for name in said[key]})
    if "topologySpreadConstraints" in pod:
        expected["topologySpreadConstraints"] = ([], pod["topologySpreadConstraints"])
    report.say(f"{len(expected)} values about pods stand in them",
               [f"{key}: {value} became {there}" for key, (value, there) in expected.items() if value != there])


def check_components(report, tools):
    """In mode split a component's own values hold over those of all."""
    documents = parse(tools.template([CHART / "ci/autoscaling-values.yaml"]))
    deployments = {one["metadata"]["name"].rsplit("-", 1)[1]: one["spec"] for one in of_kind(documents, "Deployment")}
    scaled = [one["spec"]["scaleTargetRef"]["name"].rsplit("-", 1)[1]
              for one in of_kind(documents, "HorizontalPodAutoscaler")]
    pods = {name: spec["template"]["spec"] for name, spec in deployments.items()}
    resources = {name: pod["containers"][0]["resources"] for name, pod in pods.items()}
    facts = {
        "only the gateway scales": scaled == ["gateway"] and deployments["server"].get("replicas") == 4,
        "only the server is spread": [name for name in pods if "topologySpreadConstraints" in pods[name]] == ["server"],
        "the gateway has its own account": pods["gateway"]["serviceAccountName"] == "token-gateway",
        "the server has its own limit": resources["server"]["limits"]["memory"] == "1Gi",
        "both have the same request": resources["server"]["requests"] == resources["gateway"]["requests"],
        "the gateway has the common limit": resources["gateway"]["limits"]["memory"] == "384Mi",
    }
    missed = [fact for fact, holds in facts.items() if not holds]
    report.say(f"{len(facts)} facts about a component's own values", missed)


def check_version(report):
    stated = re.search(r'^appVersion: "(.+)"$', (CHART / "Chart.yaml").read_text(), re.M).group(1)
    built = re.search(r"^project\(\w+ VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text(), re.M).group(1)
    report.say("the chart's appVersion is the project's version", [] if stated == built else [f"{stated}, {built}"])


def check_commands(report, tools):
    """The helm commands of the operator's guide render; upgrades keep the values of the default value set."""
    commands = []
    for path in sorted(ROOT.glob("deploy/README*.md")):
        text = path.read_text().replace("\\\n", " ")
        commands += re.findall(r"helm (?:install|upgrade) tokens deploy/helm/livekit-token-service[^`\n]*", text)
    for command in commands:
        words = shlex.split(command)
        more = [word for word in words[4:] if word not in ("--wait", "--reuse-values", "--reset-then-reuse-values")]
        kept = [CHART / "ci/default-values.yaml"] if words[1] == "upgrade" else []
        try:
            tools.template(kept, more=more)
            report.say(f"guide: {' '.join(words[:3])} … {more[-1]}", [])
        except Refused as error:
            report.say(f"guide: {command}", [str(error)])
    report.say(f"the guide has {len(commands)} helm commands", [] if commands else ["none was found"])


def check_kustomize(report, tools, work, programs, credentials):
    base = KUSTOMIZE / "base"
    same = (base / "manifests.yaml").read_text() == tools.base()
    report.say("kustomize: base is what the chart renders",
               [] if same else [f"{base}/manifests.yaml is not; run tests/deploy/chart/run --write-base"])
    for folder in (base, *sorted((KUSTOMIZE / "overlays").iterdir())):
        name = f"kustomize {folder.relative_to(KUSTOMIZE)}"
        try:
            documents = parse(tools.kustomize(folder))
        except Refused as error:
            report.say(name, [str(error)])
            continue
        for version in schemas.VERSIONS:
            report.say(f"{name}: schemas of Kubernetes {version}", schemas.problems(documents, version))
        check_documents(report, name.replace("/", "-"), documents, work, programs, credentials)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--programs", type=pathlib.Path, required=True)
    parser.add_argument("--write-base", action="store_true", help="writes the kustomize base anew, and nothing else")
    arguments = parser.parse_args()
    tools, report, start = Tools(arguments.work / "tools"), Report(), time.monotonic()
    if arguments.write_base:
        (KUSTOMIZE / "base/manifests.yaml").write_text(tools.base())
        return 0
    missing = [name for name in meaning.PROGRAMS if not (arguments.programs / name).exists()]
    if missing:
        print(f"deploy/chart: {arguments.programs} lacks {', '.join(missing)}; build first, or name BUILD_DIR")
        return 1
    credentials = Credentials(arguments.work / "credentials")
    shared = (tools, arguments.work, arguments.programs, credentials)
    selftest.run(report, *shared)
    check_version(report)
    check_schema_fields(report)
    check_schema_values(report)
    sets = value_sets()
    report.say(f"the chart has {len(sets)} value sets", [] if len(sets) >= 12 else ["fewer than 12"])
    for values in sets:
        check_value_set(report, values, *shared)
    check_wrong_values(report, tools)
    check_passed_on(report, tools)
    check_components(report, tools)
    check_rolls(report, tools)
    check_commands(report, tools)
    check_kustomize(report, *shared)
    print(f"deploy/chart took {time.monotonic() - start:.0f} s")
    print(f"{report.passed} passed, {report.failed} failed")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
