#!/bin/bash
# Data -> training -> model folder -> fixtures -> figures. Usage: ./run.sh WORK_FOLDER [MINUTES]
# With a GPU elsewhere, run the part up to "here or on another machine", take WORK_FOLDER/travel there, and bring the run back.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd); repo=$here/..; work=$(realpath -m "$1"); minutes=${2:-9}; py=${PYTHON:-python3}
model=$repo/models/quire-glyph
mkdir -p "$work/travel"
export OMP_WAIT_POLICY=PASSIVE
$py "$here/fetch_packages.py" "$here/packages-train.txt" "$work/pdf/train"
$py "$here/fetch_packages.py" "$here/packages-dev.txt" "$work/pdf/dev"
$py - "$here" "$work/packages" <<'PY'
import os, sys
sys.path.insert(0, sys.argv[1])
from fetch_packages import names, unpack
if not os.path.isdir(sys.argv[2]):
    for p, _ in names(os.path.join(sys.argv[1], "packages-fonts.txt")) + [("hunspell-el", ""), ("hunspell-ru", "")]:
        unpack(p, sys.argv[2])
PY
$py "$here/pack.py" "$work/pdf/train" "$work/travel/pdfs" --megabytes 23
$py "$here/fonts.py" "$work/packages/usr/share/fonts" "$work/travel/fonts.tar.gz" --megabytes 20
iconv -c -f ISO-8859-7 -t UTF-8 "$work/packages/usr/share/hunspell/el_GR.dic" > "$work/travel/el.dic"
cp "$work/packages/usr/share/hunspell/ru_RU.dic" "$work/travel/ru.dic"
# -- here or on another machine: it needs travel/, this folder, the model folder, and what requirements.txt names
mkdir -p "$work/fonts" && tar xzf "$work/travel/fonts.tar.gz" -C "$work/fonts"
data=(--pdfs "$work/travel/pdfs" --fonts "$work/fonts" --vocabulary "$work/words.gz")
$py "$here/vocabulary.py" "$work/travel/pdfs" "$work/words.gz" --dictionary "$work/travel/el.dic" "$work/travel/ru.dic"
$py "$here/train.py" --model "$model" "${data[@]}" --out "$work/run" --minutes "$minutes"
$py "$here/export.py" --run "$work/run/weights.pt" "${data[@]}" --out "$work/model"
# -- figures of both; the new one is taken by hand
for m in "$model" "$work/model"; do
    $py "$here/measure.py" --model "$m" --pdfs "$work/pdf/dev" --fonts "$work/fonts" --vocabulary "$work/words.gz"
done
$py "$here/make_eval_set.py" --out "$work/eval" --cache "$work" --scans
$py "$here/evaluate_model.py" --model "$work/model" --set "$work/eval" --json "$work/figures.json"
$py "$here/make_fixtures.py" --model "$work/model" --fonts "$work/packages" --out "$repo/tests/fixtures/glyph"
