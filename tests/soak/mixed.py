"""Hours of everything at once, watch, upload, delete and ask: memory, descriptors and disk are as flat in the end as at first. Writes
samples.csv and plot.svg.

    tests/soak/mixed.py QUIRE --out FOLDER               two hours
    tests/soak/mixed.py QUIRE --out FOLDER --minutes 15

The number of documents is held steady: for each one that comes, the oldest goes, by DELETE or with its file. After a warm-up (a fifth of
the time) the first quarter of the samples is compared with the last one, by their medians: the run ends with 1 where anonymous memory,
descriptors or disk grew by more than a quarter (and 48 MiB, 16, 64 MiB). Resident memory with what is mapped from disk is shown.
"""

import collections
import itertools
import sys
import threading
import time
from pathlib import Path

import service as soak
from papers import fact, paper
from samples import Sampler, plot, quarters, write_csv
from service import Service, check, say

HELD = 60
MOST_MORE = {"anonymous_mib": 48, "descriptors": 16, "disk_mib": 64}
PAUSE_S = 0.25


class Mixed:
    def __init__(self, service):
        self.service, self.over = service, threading.Event()
        self.numbers, self.known = itertools.count(), collections.deque()
        self.tally = collections.Counter()

    def keep_in_step(self):
        """Files and uploads come, the oldest go."""
        while not self.over.is_set():
            number = next(self.numbers)
            if number % 2:
                self.known.append((number, self.service.put_down(f"{number:06}.pdf", paper(number))))
                self.tally["watched"] += 1
            else:
                code, answer = self.service.upload(f"{number:06}.pdf", paper(number), f"mixed-{number}")
                if code == 429:
                    self.over.wait(PAUSE_S)
                    continue
                check(code == 202, "an upload", (code, answer))
                self.known.append((number, answer["documents"][0]["document_id"]))
                self.tally["uploaded"] += 1
            while len(self.known) > HELD:
                self.drop(self.known.popleft()[1])
            self.wait_for_room()
            self.over.wait(PAUSE_S)

    def drop(self, which):
        if isinstance(which, Path):
            which.unlink()
            self.tally["files removed"] += 1
            return
        code, answer = self.service.ask("DELETE", f"/v1/documents/{which}", timeout_s=120)
        check(code == 200, "a deletion", (code, answer))
        self.tally["deleted"] += 1

    def wait_for_room(self):
        """What comes faster than it is indexed would only make the queue longer."""
        while not self.over.is_set():
            status = self.service.status()
            if status and status["queue"]["queued"] + status["queue"]["processing"] < HELD // 3:
                return
            self.over.wait(0.5)

    def ask_questions(self):
        for number in itertools.count():
            if self.over.is_set():
                return
            about = self.known[number % len(self.known)][0] if self.known else 0
            path, key = ("/v1/search", "query") if number % 3 else ("/v1/ask", "question")
            code, answer = self.service.ask("POST", path, {key: fact(about)}, timeout_s=120)
            # The collection is there from the first document on.
            check(code in (200, 429) or (code == 404 and not self.tally["asked"]), "a question", (code, answer))
            self.tally["asked" if code == 200 else f"asked, {code}"] += 1
            self.over.wait(PAUSE_S)


def run(args, folder):
    service = Service(args.program, folder)
    mixed = Mixed(service)
    service.start()
    service.wait_for()
    sampler = Sampler(service, args.every, lambda: {"held": len(mixed.known)})
    end = soak.in_background(mixed.keep_in_step, mixed.ask_questions, mixed.ask_questions)
    try:
        deadline = time.monotonic() + args.minutes * 60
        while time.monotonic() < deadline and not end.failures:
            check(service.lives(), "the service ended", service.tail())
            time.sleep(1)
        mixed.over.set()
        end()
        rows = sampler.end()
        counts = settle(service, mixed)
        service.stop()
    finally:
        mixed.over.set()
        service.kill()
    args.out.mkdir(parents=True, exist_ok=True)
    write_csv(rows, args.out / "samples.csv")
    panels = [
        ("memory, MiB", ["anonymous_mib", "resident_mib", "workers_mib"]),
        ("descriptors", ["descriptors"]),
        ("disk, MiB", ["disk_mib"]),
        ("documents held, documents waiting", ["held", "waiting"]),
    ]
    plot(rows, panels, args.out / "plot.svg", f"{args.minutes:g} minutes of watch, upload, delete and ask")
    return {"minutes": args.minutes, **mixed.tally, "counts": counts, **verdict(rows)}


def settle(service, mixed):
    """Everything that was held is there in the end, and nothing else."""

    def settled():
        settled.said = counts = service.counts() or {}
        check(not counts.get("dead") and not counts.get("rejected"), "somebody was given up", counts)
        return counts.get("indexed") == len(mixed.known) == sum(counts.values()) and counts

    counts = soak.until("the documents that are held, and no others", settled, 300, every_s=1)
    say(f"settled: {counts}")
    soak.check_store(service, len(mixed.known), 300)
    return counts


def verdict(rows):
    rows = rows[len(rows) // 5 :]
    fields = ["anonymous_mib", "resident_mib", "workers_mib", "descriptors", "disk_mib"]
    compared = {field: quarters(rows, field) for field in fields}
    faults = []
    for field, more in MOST_MORE.items():
        first, last = compared[field]
        if last > first * 1.25 and last > first + more:
            faults.append(f"{field} grew from {first} to {last}")
    return {"first_and_last_quarter": compared, "faults": faults}


if __name__ == "__main__":
    parser = soak.arguments(__doc__)
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--every", type=float, default=5.0, help="seconds between samples")
    parser.add_argument("--out", type=Path, default=Path("soak-mixed"), help="where samples and plot go")
    sys.exit(soak.main(run, parser))
