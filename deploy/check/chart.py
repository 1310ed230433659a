"""Lints and renders the Helm chart with Helm's own code, and holds what comes out against the schemas of Kubernetes and against
what the chart promises. Ends with 1 and every fault.

Usage: chart.py WRITE_TO, a folder for the rendered quire.yaml files, which other checks load.
"""

import sys
from pathlib import Path

import helm_python as helm
import kubernetes_validate
import yaml

HERE = Path(__file__).resolve().parent
CHART = HERE.parent / "helm" / "quire"
# The oldest that Chart.yaml allows, and the newest whose schema there is.
VERSIONS = ["1.25", "1.37"]
SCHEMALESS = {"PodMonitor"}  # the Prometheus operator's own

MINIMAL = {
    "config": {
        "store": {"url": "http://qdrant:6334"},
        "ledger": {"url": "postgres://quire@postgres/quire"},
        "blobs": {"url": "s3://quire/pages"},
    }
}
# Values that the chart must refuse, and a word of its reason.
REFUSED = [
    ({}, "url"),
    ({**MINIMAL, "confg": {}}, "confg"),
    ({**MINIMAL, "ingress": {"enabled": True}}, "publicUrl"),
    ({"config": {**MINIMAL["config"], "store": {"url": "http://q:6334", "api_key": "secret"}}}, "api_key"),
    ({"config": {**MINIMAL["config"], "ledger": {"url": "postgres://quire:password@postgres/quire"}}}, "ledger"),
    ({"config": {**MINIMAL["config"], "blobs": {"url": "/folder"}}}, "blobs"),
]


def main():
    out = Path(sys.argv[1])
    faults = []
    full = yaml.safe_load((HERE / "values-full.yaml").read_text(encoding="utf-8"))
    for name, values in [("minimal", MINIMAL), ("full", full)]:
        report = helm.lint(CHART, values, strict=True, kube_version="v1.31.0")
        faults += [f"lint, {name}: {message['error']}" for message in report["messages"] if message["severity"] >= 2]
        faults += [f"lint, {name}: {error}" for error in report["errors"]]
        with helm.Chart.load(CHART) as chart:
            rendered = chart.render(values, name="papers", namespace="search")
        resources = [
            resource
            for file, text in rendered.items() if not file.endswith(".txt")
            for resource in yaml.safe_load_all(text) if resource
        ]
        faults += [f"{name}: {fault}" for fault in check(resources)]
        out.mkdir(parents=True, exist_ok=True)
        for resource in resources:
            if resource["kind"] == "ConfigMap":
                (out / f"helm-{name}.yaml").write_text(resource["data"]["quire.yaml"], encoding="utf-8")
                for key in resource["data"]:
                    if key.startswith("pipeline-"):
                        pipelines = out / "pipelines"
                        pipelines.mkdir(exist_ok=True)
                        (pipelines / key[len("pipeline-"):]).write_text(resource["data"][key], encoding="utf-8")
        print(f"chart, {name} values: {len(resources)} resources")
    faults += refusals()
    for fault in faults:
        print(f"chart: {fault}", file=sys.stderr)
    return 1 if faults else 0


def check(resources):
    names = [(resource["kind"], resource["metadata"]["name"]) for resource in resources]
    yield from (f"{name} stands twice" for name in set(names) if names.count(name) > 1)
    deployed = {name for kind, name in names if kind == "Deployment"}
    for resource in resources:
        title = f"{resource['kind']} {resource['metadata']['name']}"
        if resource["kind"] not in SCHEMALESS:
            for version in VERSIONS:
                try:
                    kubernetes_validate.validate(resource, version, strict=True)
                except kubernetes_validate.ValidationError as error:
                    yield f"{title}: Kubernetes {version}: {error.message} at {list(error.path)}"
        if resource["kind"] == "Secret":
            yield f"{title}: the chart makes a secret"
        if resource["kind"] == "HorizontalPodAutoscaler" and resource["spec"]["scaleTargetRef"]["name"] not in deployed:
            yield f"{title} scales nothing"
        if resource["kind"] == "Deployment":
            yield from (f"{title}: {fault}" for fault in check_deployment(resource, resources))


def check_deployment(deployment, resources):
    pod = deployment["spec"]["template"]["spec"]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    chosen = deployment["spec"]["selector"]["matchLabels"]
    if not chosen.items() <= labels.items():
        yield "its selector does not choose its own pods"
    if not pod["securityContext"]["runAsNonRoot"] or pod["automountServiceAccountToken"]:
        yield "it runs as root, or with a token"
    volumes = {volume["name"] for volume in pod["volumes"]}
    for container in pod["containers"]:
        context = container["securityContext"]
        if not context["readOnlyRootFilesystem"] or context["allowPrivilegeEscalation"] or context["capabilities"] != {"drop": ["ALL"]}:
            yield "its container may do more than it must"
        if {mount["name"] for mount in container["volumeMounts"]} != volumes:
            yield "volumes and mounts differ"
        waits = container["args"] == ["/bin/sleep", "infinity"]
        if not waits and not {"startupProbe", "livenessProbe", "readinessProbe"} <= container.keys():
            yield "it is not watched"
        scaled = any(
            other["kind"] == "HorizontalPodAutoscaler" and other["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
            for other in resources
        )
        if scaled == ("replicas" in deployment["spec"]):
            yield "its number is set by nobody, or by two"


def refusals():
    for values, word in REFUSED:
        try:
            with helm.Chart.load(CHART) as chart:
                chart.render(values, name="papers", namespace="search")
        except helm.HelmError as error:
            if word not in str(error):
                yield f"{values} are refused without the word {word}: {error}"
        else:
            yield f"{values} are not refused"


if __name__ == "__main__":
    sys.exit(main())
