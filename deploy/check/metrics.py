"""Holds the dashboard and the alerts against the program: every metric that they name is one of `Metric` in src/telemetry/metric.rs,
used as what it is, and every expression of the dashboard is one that Prometheus understands. Ends with 1 and every fault.

Usage: metrics.py [--promtool PATH] [--source FILE]
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

DEPLOY = Path(__file__).resolve().parent.parent
SOURCE = DEPLOY.parent / "src" / "telemetry" / "metric.rs"
NAME = re.compile(r"\bquire_[a-z0-9_]+")
# What a histogram becomes.
SERIES = ("_bucket", "_sum", "_count")
# Grafana's variables, as Prometheus could be given them.
VARIABLES = {"$__rate_interval": "5m", "$job": ".*", "$instance": ".*"}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--promtool", help="without it expressions are not parsed, which is said")
    parser.add_argument("--source", type=Path, default=SOURCE)
    arguments = parser.parse_args()
    known = set(re.findall(r'"(quire_[a-z0-9_]+)"', arguments.source.read_text(encoding="utf-8")))
    dashboard = json.loads((DEPLOY / "grafana" / "quire.json").read_text(encoding="utf-8"))
    alerts = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yaml").read_text(encoding="utf-8"))
    rules = [rule for group in alerts["groups"] for rule in group["rules"]]
    drawn = list(expressions(dashboard))
    uses = [(f"panel '{title}'", text) for title, text in drawn]
    uses += [("a variable", variable["query"]["query"]) for variable in dashboard["templating"]["list"] if variable["type"] == "query"]
    uses += [(f"alert {rule['alert']}", rule["expr"]) for rule in rules]

    faults = [] if known else [f"{arguments.source} names no metric"]
    used = set()
    for where, text in uses:
        for name in NAME.findall(text):
            metric = base(name, known)
            if metric is None:
                faults.append(f"{where}: the program has no metric {name}")
            else:
                used.add(metric)
            if name.endswith("_total") and not re.search(rf"(rate|increase)\({name}\b", text):
                faults.append(f"{where}: {name} only grows, and is used without rate or increase")
    faults += grid(dashboard)
    if arguments.promtool:
        faults += parse(arguments.promtool, drawn)
    for fault in faults:
        print(f"metrics: {fault}", file=sys.stderr)
    parsed = "" if arguments.promtool else "; NOT RUN: promtool, which parses expressions"
    print(f"metrics: {len(uses)} expressions use {len(used)} of {len(known)} metrics"
          f" (not shown: {', '.join(sorted(known - used)) or 'none'}){parsed}")
    return 1 if faults else 0


def base(name, known):
    """The metric that a series belongs to; None where the program has none."""
    if name in known:
        return name
    stems = [name[:-len(suffix)] for suffix in SERIES if name.endswith(suffix)]
    return next((stem for stem in stems if stem in known), None)


def expressions(dashboard):
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]


def grid(dashboard):
    """Panels that lie over each other, or have one number."""
    taken = {}
    numbers = [panel["id"] for panel in dashboard["panels"]]
    if len(set(numbers)) != len(numbers):
        yield "two panels have one number"
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        if place["x"] + place["w"] > 24:
            yield f"panel '{panel['title']}' is wider than the dashboard"
        for cell in ((x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])):
            if taken.setdefault(cell, panel["title"]) != panel["title"]:
                yield f"panel '{panel['title']}' lies over '{taken[cell]}'"
                break


def parse(promtool, drawn):
    """Has promtool read each expression of the dashboard as a recording rule."""
    rules = []
    for number, (_, text) in enumerate(drawn):
        for variable, value in VARIABLES.items():
            text = text.replace(variable, value)
        rules.append({"record": f"panel:{number}", "expr": text})
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as file:
        yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}, file)
        file.flush()
        run = subprocess.run([promtool, "check", "rules", file.name], capture_output=True, text=True, check=False)
    return [] if run.returncode == 0 else [f"promtool: {run.stdout}{run.stderr}"]


if __name__ == "__main__":
    sys.exit(main())
