#!/usr/bin/env bash
# Checks everything in deploy/ with the tools that are there, and says which were not. `make deploy-check` brings those that pip has.
#
# PATH: hadolint, shellcheck, yamllint, check-jsonschema, gixy, systemd-analyze, promtool, nginx, openssl
# PYTHON: a Python with the packages of requirements.txt
# QUIRE: the program, which then loads every configuration and pipeline of deploy/; as root, it is also run in a clean root (CLEAN_ROOT:
#        a Debian root that is there already)
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
python=${PYTHON:-python3}
passed=0 failed=0 skipped=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

check() { # NAME TOOL COMMAND...
    local name=$1 tool=$2
    shift 2
    if ! command -v "$tool" > /dev/null; then
        echo "NOT RUN  $name: $tool is not here"
        skipped=$((skipped + 1))
    elif "$@" > "$work/said" 2>&1; then
        echo "ok       $name"
        passed=$((passed + 1))
    else
        echo "FAILED   $name"
        sed 's/^/         /' "$work/said"
        failed=$((failed + 1))
    fi
}

unit_is_valid() {
    # The program is not installed here; everything else of the unit and of each drop-in is looked at.
    local drop_in
    mkdir "$work/unit"
    sed 's#^ExecStart=/opt/quire/quire#ExecStart=/bin/true#' deploy/systemd/quire.service > "$work/unit/quire.service"
    systemd-analyze verify "$work/unit/quire.service" 2> "$work/verify" || { cat "$work/verify"; return 1; }
    for drop_in in deploy/systemd/quire.service.d/*.conf; do
        mkdir -p "$work/unit/quire.service.d"
        cp "$drop_in" "$work/unit/quire.service.d/"
        systemd-analyze verify "$work/unit/quire.service" 2>> "$work/verify" || { cat "$work/verify"; return 1; }
        rm "$work/unit/quire.service.d"/*
    done
    # What it does not understand it ignores, with a word.
    ! grep -E 'quire\.service|\.conf' "$work/verify"
}

# YAML of Helm's templates is no YAML before it is rendered.
check "YAML" yamllint yamllint --strict --config-file deploy/check/yamllint.yaml \
    deploy/compose deploy/prometheus deploy/systemd deploy/helm/quire/Chart.yaml deploy/helm/quire/values.yaml deploy/check
check "shell scripts" shellcheck shellcheck deploy/*/*.sh
check "Dockerfile" hadolint hadolint deploy/docker/Dockerfile
check "compose: schema" check-jsonschema check-jsonschema --builtin-schema vendor.compose-spec deploy/compose/compose.yaml
check "systemd unit" systemd-analyze unit_is_valid
check "systemd unit: exposure at most 2.0" systemd-analyze systemd-analyze security --offline=yes --threshold=20 --no-pager deploy/systemd/quire.service
check "chart: lint, render, schemas" "$python" "$python" deploy/check/chart.py "$work/rendered"
check "alerts" promtool promtool check rules deploy/prometheus/alerts.yaml
check "alerts: tests" promtool promtool test rules deploy/prometheus/alerts.test.yaml
check "scraping" promtool promtool check config --syntax-only deploy/prometheus/scrape.yaml
promtool=$(command -v promtool || true)
check "dashboard and alerts name metrics of the program" "$python" "$python" deploy/check/metrics.py ${promtool:+--promtool "$promtool"}
check "nginx: analysis" gixy gixy deploy/nginx/quire.conf
check "nginx: behind it" nginx "$python" deploy/check/proxy.py "$(command -v nginx || true)"

configurations() {
    local file
    # Their pipelines are written for folders of containers: loading them is all.
    cp -r deploy/compose "$work/compose"
    for file in "$work/compose/quire.yaml" deploy/systemd/quire.yaml "$work"/rendered/helm-*.yaml; do
        "$QUIRE" --config "$file" validate deploy/compose/pipelines/*.yaml "$work"/rendered/pipelines/*.yaml || return 1
    done
}
check "configurations and pipelines load" "${QUIRE:-QUIRE (the program)}" configurations
if [ "$(id -u)" = 0 ]; then
    # shellcheck disable=SC2086  # no root, no word
    check "image by hand, in a clean root" "${QUIRE:-QUIRE (the program)}" deploy/check/clean-root.sh "${QUIRE:-}" ${CLEAN_ROOT:-}
else
    echo "NOT RUN  image by hand, in a clean root: only root can make one"
    skipped=$((skipped + 1))
fi
echo "NOT RUN  docker build, docker compose up, helm install: they need an engine and a cluster"
echo "$passed passed, $failed failed, $((skipped + 1)) skipped"
[ "$failed" = 0 ]
