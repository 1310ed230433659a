#!/bin/sh
# Starts quire with the words it is given. A secret may be a file: where NAME_FILE names one, NAME is set to what is in it, for
# the variables below. The file's last line end does not count.
set -eu

for name in QUIRE__STORE__API_KEY QUIRE__LEDGER__URL PGPASSWORD AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY \
    AZURE_STORAGE_ACCOUNT_KEY OPENAI_API_KEY; do
    file=$(printenv "${name}_FILE" || true)
    [ -n "$file" ] || continue
    if printenv "$name" > /dev/null; then
        echo "$name and ${name}_FILE are both set: take one of them away" >&2
        exit 2
    fi
    value=$(cat "$file") || { echo "${name}_FILE is $file, which can't be read" >&2; exit 2; }
    export "$name=$value"
    unset "${name}_FILE"
done

# A word that is no program of its own is a command of quire.
case "${1:-}" in
    sh | bash | /*) exec "$@" ;;
    *) exec "${QUIRE_PROGRAM:-/opt/quire/quire}" "$@" ;;
esac
