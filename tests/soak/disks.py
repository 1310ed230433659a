"""Disks that fill up at every kind of write: the ledger's, the vectors', the page images', the copies'. Each has a small disk of its own
(tmpfs: needs root), which is filled to various heights while documents come in, and freed. Meanwhile the service lives, `/readyz` says
503 and why, uploads are turned away or kept; afterwards the backlog drains by itself, and nobody is given up.

    tests/soak/disks.py QUIRE
    tests/soak/disks.py QUIRE --only ledger --room-kib 0 64

The reserve (`ingest.disk_reserve_bytes`) is set next to nothing, so that writes do fail; then, once, it is set higher than what is
left, as it is in earnest, and work must wait before anything fails.
"""

import os
import subprocess
import sys
import time

import service as soak
from outages import Load, failing, wait_until_drained, wait_until_not_ready
from service import Service, check, say

# What is mounted where in the data folder, and how many MiB it holds.
DISKS = {"ledger": ("", 128), "vectors": ("vectors", 400), "images": ("blobs", 64), "copies": ("spool", 48)}
FILLER = ".filler"


def mount(path, mebibytes):
    path.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=700", "tmpfs", path], capture_output=True, text=True)
    check(done.returncode == 0, "a small disk can't be mounted (root is needed)", done.stderr)


def fill(path, room_bytes):
    """Takes all of a disk but so many bytes."""
    space = os.statvfs(path)
    take = space.f_bavail * space.f_frsize - room_bytes
    with open(path / FILLER, "ab") as filler:
        while take > 0:
            piece = min(take, 1 << 20)
            try:
                filler.write(bytes(piece))
                filler.flush()
            except OSError:
                return
            take -= piece


def free(path):
    (path / FILLER).unlink(missing_ok=True)


def full(service, load, name, path, room_kib, seconds):
    say(f"the disk of the {name} has {room_kib} KiB left")
    load.some(6)
    time.sleep(1)
    fill(path, room_kib << 10)
    began = time.monotonic()
    while time.monotonic() < began + seconds:
        load.some(2)
        fill(path, room_kib << 10)
        time.sleep(0.5)
    check(service.lives(), "the service ended while the disk was full", service.tail())
    code, parts, body = failing(service)
    if room_kib == 0:
        check(code == 503 and "disk" in parts, "/readyz while the disk is full", body)
    check(service.ask("GET", "/livez")[0] == 200, "/livez meanwhile")
    free(path)
    service.wait_for("/readyz", 90)
    load.come_again()
    wait_until_drained(service, load)


def run(args, folder):
    folder = folder.resolve()
    service = Service(args.program, folder, f"ingest: {{disk_reserve_bytes: {args.reserve}}}\n")
    load, mounted = Load(service), []
    names = args.only or list(DISKS)
    try:
        # The ledger's disk holds the others' mount points.
        for name, (where, size) in DISKS.items():
            mount(service.data / where, size)
            mounted.append(service.data / where)
        service.start()
        service.wait_for("/readyz")
        load.some(4)
        wait_until_drained(service, load)
        for name in names:
            for room in args.room_kib:
                full(service, load, name, service.data / DISKS[name][0], room, args.seconds)
        found, pages = soak.check_whole(service, load.accepted, load.unsure)
        service.stop()
        say("with a reserve, work waits before a write fails")
        service.config.write_text(service.config.read_text().replace(f": {args.reserve}}}", ": 33554432}"))
        service.start()
        service.wait_for("/readyz")
        fill(service.data / "blobs", 16 << 20)
        wait_until_not_ready(service, "disk")
        # An answer about free space holds for a second.
        time.sleep(2)
        load.some(4)
        time.sleep(3)
        check((service.counts() or {}).get("indexed") == len(found), "work waits", service.counts())
        free(service.data / "blobs")
        service.wait_for("/readyz", 90)
        load.come_again()
        wait_until_drained(service, load)
        found, pages = soak.check_whole(service, load.accepted, load.unsure)
        attempts = max(document["attempts"] for document in found.values())
        check(attempts <= 1, "attempts that full disks cost a document", attempts)
        service.stop()
        soak.check_files(service, found)
    finally:
        service.kill()
        for path in reversed(mounted):
            subprocess.run(["umount", path])
    return {"documents": len(found), "pages": pages, "uploads_by_status": load.answers}


if __name__ == "__main__":
    parser = soak.arguments(__doc__)
    parser.add_argument("--only", nargs="*", choices=list(DISKS))
    parser.add_argument("--room-kib", nargs="*", type=int, default=[0, 8, 64, 256, 1024])
    parser.add_argument("--seconds", type=float, default=15, help="for which a disk stays full")
    parser.add_argument("--reserve", type=int, default=1)
    sys.exit(soak.main(run, parser))
