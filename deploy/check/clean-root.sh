#!/usr/bin/env bash
# Runs by hand what deploy/docker/Dockerfile makes, without a container engine: the program, native/, models/ and the image's two
# scripts in a fresh Debian root, as user 10001, over a root that is read-only, without a network, with an empty environment. There the
# installation is checked, documents are indexed, a question is answered.
#
# Usage, as root: deploy/check/clean-root.sh QUIRE [ROOT]
#   QUIRE  the release program
#   ROOT   a Debian root with the image's packages; without it, mmdebstrap makes one (and apt must reach its mirror)
set -euo pipefail

if [ "${1:-}" = --inside ]; then
    # In namespaces of its own: mounts, then the image's user. $2 is the root, the rest the command.
    root=$2
    shift 2
    mount --make-rprivate /
    mount --bind "$root" "$root"
    mount -o remount,bind,ro "$root"
    mount -t proc proc "$root/proc"
    mount -t tmpfs -o mode=1777,size=64m tmpfs "$root/tmp"
    mount -t tmpfs -o mode=0755,size=1m tmpfs "$root/dev"
    for device in null zero random urandom; do
        touch "$root/dev/$device"
        mount --bind "/dev/$device" "$root/dev/$device"
    done
    mkdir -m 1777 "$root/dev/shm"
    mount -t tmpfs -o mode=0700,uid=10001,gid=10001,size=2g tmpfs "$root/var/lib/quire"
    mkdir -m 0700 "$root/var/lib/quire/data"
    chown 10001:10001 "$root/var/lib/quire/data"
    exec env -i PATH=/usr/local/bin:/usr/sbin:/usr/bin:/bin HOME=/var/lib/quire QUIRE_DATA_DIR=/var/lib/quire/data \
        chroot --userspec=10001:10001 "$root" "$@"
fi

here=$(cd "$(dirname "$0")/../.." && pwd)
quire=$(realpath "$1")
base=${2:-}
work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT

if [ -z "$base" ]; then
    base=$work/base
    mmdebstrap --quiet --variant=minbase --include=ca-certificates,fonts-dejavu-core,fonts-liberation2 bookworm "$base"
fi
root=$work/root
cp -a --one-file-system "$base" "$root"
install -d "$root/opt/quire" "$root/var/lib/quire" "$root/documents" "$root/dev" "$root/proc"
install -m 0755 --strip "$quire" "$root/opt/quire/quire"
cp -rL "$here/native" "$here/models" "$here/prompts" "$here/pipelines" "$root/opt/quire/"
install -m 0755 "$here/deploy/docker/entrypoint.sh" "$here/deploy/docker/healthcheck.sh" "$root/opt/quire/"
ln -sfn /opt/quire/quire "$root/usr/local/bin/quire"
find "$here/demo/documents" -type f | sort | head -n 3 | xargs cp -t "$root/documents"
chmod -R a+rX,go-w "$root/opt/quire" "$root/documents"

# shellcheck disable=SC2016  # expanded in the root
inside='
set -eu
fail() { echo "FAILED: $*" >&2; exit 1; }
start=/opt/quire/entrypoint.sh
[ "$(id -u):$(id -g)" = 10001:10001 ] || fail "the user is $(id)"
if touch /opt/quire/x 2>/dev/null || touch /x 2>/dev/null; then fail "the root can be written to"; fi
"$start" doctor
"$start" ingest --quiet /documents
"$start" status
answer=$("$start" ask --json "$QUESTION")
echo "$answer" | head -c 600; echo
echo "$answer" | grep -q "\"document_id\"" || fail "the answer cites nothing"
printf secret > /tmp/password
got=$(PGPASSWORD_FILE=/tmp/password "$start" /bin/sh -c "printf %s:%s \"\$PGPASSWORD\" \"\${PGPASSWORD_FILE-none}\"")
[ "$got" = secret:none ] || fail "the secret of a file came as $got"
if PGPASSWORD=x PGPASSWORD_FILE=/tmp/password "$start" /bin/true 2>/dev/null; then fail "a secret was given twice"; fi
if /opt/quire/healthcheck.sh 2>/dev/null; then fail "nothing listens, and the health check is content"; fi
echo "The clean root: 1 passed, 0 failed"
'
question=$(head -n 1 "$here/demo/questions.txt")
unshare --mount --pid --net --ipc --uts --fork --kill-child "$(realpath "$0")" --inside "$root" \
    /usr/bin/env QUESTION="$question" /bin/sh -c "$inside"
