#!/usr/bin/env bash
# Makes the passwords and keys of compose.yaml, once: what is there already stays. They lie in ./secrets, readable by containers of this
# machine's engine and, outside of them, by the owner of the folder alone.
set -euo pipefail
cd "$(dirname "$0")"

# The folder keeps others out; the files in it are read by users of containers, who are others here.
install -d -m 0700 secrets
umask 022

make() { # NAME BYTES
    [ -s "secrets/$1" ] || od -An -vtx1 -N "$2" /dev/urandom | tr -d ' \n' > "secrets/$1"
}

make qdrant_key 32
make postgres_password 32
make s3_access_key 10
make s3_secret_key 20

printf 'QDRANT__SERVICE__API_KEY=%s\n' "$(cat secrets/qdrant_key)" > secrets/qdrant.env
cat > secrets/s3_identities << END
{
  "identities": [
    {
      "name": "quire",
      "credentials": [{"accessKey": "$(cat secrets/s3_access_key)", "secretKey": "$(cat secrets/s3_secret_key)"}],
      "actions": ["Read:quire", "Write:quire", "List:quire", "Tagging:quire"]
    }
  ]
}
END
echo "secrets/ holds the keys of Qdrant, PostgreSQL and the S3 server" >&2
