#!/usr/bin/env bash
# Indexes the demo's documents and asks the questions of questions.txt. Usage: demo/run.sh PATH-OF-QUIRE
set -euo pipefail
quire=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
export QUIRE_DATA_DIR=${QUIRE_DATA_DIR:-$root/demo-data}

rm -rf "$QUIRE_DATA_DIR"
echo "Indexing $(find "$here/documents" -type f | wc -l | tr -d ' ') documents (reports, slides, scans, invoices) ..."
"$quire" ingest "$here/documents"

number=0
while IFS= read -r question; do
    number=$((number + 1))
    printf '\n%s\n\n' "Question $number: $question"
    "$quire" ask "$question" --evidence "$QUIRE_DATA_DIR/evidence/$number"
done < "$here/questions.txt"

cat <<END

The page images above show where each answer stands, marked in yellow.
Now your own: target/release/quire ingest FOLDER && target/release/quire ask "..."
END
