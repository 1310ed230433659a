#!/bin/bash
# Data -> training -> model folder -> fixtures -> figures. Usage: ./run.sh WORK_FOLDER [MINUTES]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd); repo=$here/..; work=$(realpath -m "$1"); minutes=${2:-120}; py=${PYTHON:-python3}
model=$repo/models/quire-glyph
mkdir -p "$work"
export OMP_WAIT_POLICY=PASSIVE
$py "$here/fetch_packages.py" "$here/packages-train.txt" "$work/pdf/train"
$py "$here/fetch_packages.py" "$here/packages-dev.txt" "$work/pdf/dev"
$py - "$here" "$work/fonts" <<'PY'
import os, sys
sys.path.insert(0, sys.argv[1])
from fetch_packages import names, unpack
if not os.path.isdir(sys.argv[2]):
    for p, _ in names(os.path.join(sys.argv[1], "packages-fonts.txt")):
        unpack(p, sys.argv[2])
PY
if [ ! -d "$work/shards/train" ]; then
    $py "$here/build_pages.py" "$work/pdf/dev" "$work/shards/dev" --pages-per-package 16 --workers 1 --seed 3
    $py "$here/build_pages.py" "$work/pdf/train" "$work/shards/train" --pages-per-package 76 --workers 2 --tag a
    $py "$here/synthetic.py" --fonts "$work/fonts" --shards "$work/shards/train" --out "$work/pdf/syn/synthetic" --documents 30 --pages 30 --seed 7
    $py "$here/build_pages.py" "$work/pdf/syn" "$work/shards/train" --pages-per-package 20 --workers 1 --tag b --seed 5
    $py "$here/synthetic.py" --fonts "$work/fonts" --shards "$work/shards/train" --out "$work/pdf/strange/strange" --documents 130 --pages 20 --seed 8 --strange
    $py "$here/build_pages.py" "$work/pdf/strange" "$work/shards/train" --pages-per-package 2600 --workers 1 --tag c --seed 6
fi
$py "$here/train.py" --shards "$work/shards" --out "$work/run" --minutes "$minutes"
$py "$here/export.py" --run "$work/run/last.pt" --shards "$work/shards" --out "$model"
$py "$here/make_fixtures.py" --model "$model" --fonts "$work/fonts" --out "$repo/tests/fixtures/glyph"
$py "$here/make_eval_set.py" --out "$work/eval" --cache "$work" --scans
$py "$here/evaluate_model.py" --model "$model" --set "$work/eval" --json "$work/figures.json"
