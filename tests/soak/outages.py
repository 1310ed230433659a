"""What the service stands on is taken away under load, killed and frozen, once for long and then again and again: meanwhile it lives,
`/readyz` says 503 and which part is away, uploads are turned away or kept; afterwards the backlog drains by itself, whole, and
nobody is given up.

    tests/soak/outages.py QUIRE store --qdrant PATH/TO/qdrant
    tests/soak/outages.py QUIRE ledger                   needs PostgreSQL (`make postgres`)
    tests/soak/outages.py QUIRE bucket                   a small S3 server of its own
    tests/soak/outages.py QUIRE ledger --away 20 --flaps 3 --documents 20
"""

import random
import sys
import time
from pathlib import Path

import service as soak
from backends import Bucket, Postgres, Qdrant
from papers import Papers, paper
from service import Service, check, say

PATIENCE_S = 900
# Whoever asks whether a process lives waits no longer.
PROBE_S = 10


class Load:
    """Documents through all three doors; what was acknowledged is kept."""

    def __init__(self, service):
        self.service, self.papers, self.number = service, Papers(), 0
        self.accepted, self.unsure, self.answers = {}, {}, {}
        self.again = []

    def paper(self):
        self.number += 1
        content = paper(self.number)
        return self.papers.name(self.number), content

    def some(self, count, timeout_s=15):
        """`count` documents, in turn into the watched folder and uploaded."""
        for at in range(count):
            name, content = self.paper()
            if at % 2:
                self.service.put_down(name, content)
                self.accepted[name] = 1
            else:
                self.upload(name, content, timeout_s)

    def upload(self, name, content, timeout_s):
        code, answer = self.service.upload(name, content, f"key-{name}", timeout_s)
        self.answers[code] = self.answers.get(code, 0) + 1
        if code == 202:
            self.accepted[name] = 1
            self.unsure.pop(name, None)
            return
        # 0: it was not answered in time. Whoever is told 503 comes again.
        check(code in (0, 429, 503, 507), "an upload while a part is away", (code, answer))
        self.unsure[name] = 1
        self.again.append((name, content))

    def come_again(self):
        """Senders that were turned away send again, under the same key."""
        waiting, self.again = self.again, []
        for name, content in waiting:
            self.upload(name, content, 60)
        check(not self.again, "uploads that were turned away once all was back", [name for name, _ in self.again])

    def command(self):
        name, content = self.paper()
        path = self.service.folder / name
        path.write_bytes(content)
        code, out, err = self.service.command("ingest", path)
        check(code == 0, "`quire ingest`", (code, out, err))
        self.accepted[name] = 1


def failing(service):
    code, body = service.ask("GET", "/readyz", timeout_s=PROBE_S)
    parts = [one["name"] for one in body["checks"] if not one["ok"]] if isinstance(body, dict) else []
    return code, parts, body


def wait_until_not_ready(service, part, patience_s=60):
    def not_ready():
        code, parts, not_ready.said = failing(service)
        return code == 503 and part in parts and not_ready.said

    began = time.monotonic()
    body = soak.until(f"/readyz to say that the {part} is away", not_ready, patience_s)
    detail = next(one["detail"] for one in body["checks"] if one["name"] == part)
    say(f"not ready after {time.monotonic() - began:.1f} s: {part}: {detail}")
    check(len(detail) > 5, "a reason", body)
    for path in ("/livez", "/metrics"):
        code, body = service.ask("GET", path, timeout_s=PROBE_S)
        check(code == 200, f"{path} meanwhile, within {PROBE_S} s", (code, body))


def wait_until_drained(service, load):
    began = time.monotonic()

    def drained():
        check(service.lives(), "the service ended by itself", service.tail())
        drained.said = counts = service.counts() or {}
        check(not counts.get("dead") and not counts.get("rejected"), "somebody was given up", counts)
        return counts.get("indexed", 0) >= len(load.accepted) and counts["indexed"] == sum(counts.values())

    soak.until("the backlog to drain", drained, PATIENCE_S, every_s=1)
    say(f"drained after {time.monotonic() - began:.0f} s")


def once(args, service, backend, load, take, give):
    """One long outage with documents in work, and documents that come meanwhile."""
    load.some(args.documents)
    time.sleep(2)
    take()
    wait_until_not_ready(service, backend.part)
    load.some(4)
    time.sleep(args.away)
    check(service.lives(), "the service ended while a part was away", service.tail())
    give()
    service.wait_for("/readyz", 120)
    load.come_again()
    wait_until_drained(service, load)


def run(args, folder):
    made = {
        "store": lambda: Qdrant(folder.resolve() / "qdrant", args.qdrant),
        "ledger": lambda: Postgres(),
        "bucket": lambda: Bucket(folder.resolve() / "bucket"),
    }
    check(args.part != "store" or args.qdrant, "--qdrant names the server's program")
    backend, chance = made[args.part](), random.Random(args.seed)
    service = Service(args.program, folder, backend.section, environment=backend.environment)
    load = Load(service)
    try:
        backend.start()
        service.start()
        service.wait_for("/readyz")
        load.some(4)
        say(f"the {args.part} is killed")
        once(args, service, backend, load, backend.kill, backend.start)
        say(f"the {args.part} is frozen")
        once(args, service, backend, load, backend.freeze, backend.thaw)
        say(f"the {args.part} comes and goes {args.flaps} times")
        for number in range(args.flaps):
            load.some(max(1, args.documents // 4))
            time.sleep(chance.uniform(0.2, 4))
            take, give = [(backend.kill, backend.start), (backend.freeze, backend.thaw)][number % 2]
            take()
            time.sleep(chance.uniform(0.2, 4))
            give()
        service.wait_for("/readyz", 120)
        load.come_again()
        load.command()
        wait_until_drained(service, load)
        found, pages = soak.check_whole(service, load.accepted, load.unsure)
        attempts = max(document["attempts"] for document in found.values())
        check(attempts <= 1, "attempts that outages cost a document", attempts)
        service.stop()
    finally:
        service.kill()
        backend.kill()
        backend.remove()
    return {"part": args.part, "documents": len(found), "pages": pages, "uploads_by_status": load.answers}


if __name__ == "__main__":
    parser = soak.arguments(__doc__)
    parser.add_argument("--qdrant", type=Path, help="the server's program")
    parser.add_argument("--away", type=float, default=45, help="seconds of a long outage")
    parser.add_argument("--flaps", type=int, default=12)
    parser.add_argument("--documents", type=int, default=40, help="in work when an outage begins")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("part", choices=["store", "ledger", "bucket"], help="what is taken away")
    sys.exit(soak.main(run, parser))
