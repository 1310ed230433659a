"""kill -9 of the daemon at many random moments while documents come in through all three doors: nothing that was acknowledged is
lost, nothing is there twice, nothing is left over, and nobody is given up.

    tests/soak/kills.py QUIRE                            300 kills, 2,000 pages (two hours or more)
    tests/soak/kills.py QUIRE --kills 60 --pages 600 --seed 7
    tests/soak/kills.py QUIRE --pdfs FOLDER              real PDFs in the place of its own

The doors: a watched folder; uploads with an Idempotency-Key, sent again until they are answered, but for one in twenty whose
sender gives up after the first try that was cut off; `quire ingest` of some files, repeated until it says that they are indexed.
Documents are handed out as kills are used up, so that there is work at every kill. Moments come early (while the service starts)
and late. A kill never waits for anything. In the end the API, `quire store check` and the files in the data folder are held
against what was acknowledged.
"""

import functools
import itertools
import json
import random
import sys
import threading
import time
from pathlib import Path

import service as soak
from papers import Papers
from service import Service, check, say

# One kill in four comes so soon after the start of the process, the others so soon after commands are let in.
EARLY, EARLY_S, LATE_S = 0.25, 1.5, 4.0
PATIENCE_S = 1800
GIVES_UP = 20
AT_ONCE = 4


class Hands:
    """Hands documents out to the doors, and keeps what became of them."""

    def __init__(self, papers, pages, pages_of):
        self.papers, self.lock = papers, threading.Lock()
        self.allowed, self.given = 0.0, 0
        self.waiting, total = [], 0
        for number in itertools.count():
            if total >= pages:
                break
            self.waiting.append((number, pages_of(number)))
            total += self.waiting[-1][1]
        self.pages, self.total = total, len(self.waiting)
        self.accepted, self.unsure = {}, {}
        self.over = threading.Event()

    def next(self):
        """A document (number, name, bytes, pages), as soon as it may be given; None at the end."""
        while True:
            with self.lock:
                if self.given == self.total:
                    return None
                if self.given < self.allowed * self.total:
                    number, pages = self.waiting[self.given]
                    self.given += 1
                    return number, self.papers.name(number), self.papers.bytes(number), pages
            if self.over.wait(0.05):
                return None

    def accept(self, name, pages):
        with self.lock:
            self.accepted[name] = pages


def watched_door(service, hands):
    while (paper := hands.next()) is not None:
        _, name, content, pages = paper
        service.put_down(name, content)
        hands.accept(name, pages)
    say("the watched folder has all of its documents")


def upload_door(service, hands, tally):
    while (paper := hands.next()) is not None:
        number, name, content, pages = paper
        while not hands.over.is_set():
            code, answer = service.upload(name, content, key=f"paper-{number}")
            if code == 202:
                [document] = answer["documents"]
                hands.accept(name, pages)
                tally["acknowledged uploads"] += 1
                check(document["source"].endswith(name), "another document was acknowledged", answer)
                break
            check(code in (0, 429, 503), "an upload", (code, answer))
            if code == 0 and "refused" not in answer:
                tally["uploads cut off"] += 1
                if number % GIVES_UP == 0:
                    with hands.lock:
                        hands.unsure[name] = pages
                    break
            time.sleep(0.1)


def command_door(service, hands, tally):
    folder = service.folder / "given"
    folder.mkdir()
    while True:
        papers = list(itertools.islice(iter(hands.next, None), AT_ONCE))
        if not papers:
            return
        paths = []
        for _, name, content, _ in papers:
            (folder / name).write_bytes(content)
            paths.append(folder / name)
        while not hands.over.is_set():
            # At rest a command would hold the data folder itself: there is a test of its own for that.
            if not service.takes_commands():
                time.sleep(0.05)
                continue
            code, out, err = service.command("ingest", *paths)
            if code == 0:
                break
            check("went away" in err or "another quire" in err, f"`quire ingest` ended with {code}", out + err)
            tally["commands cut off"] += 1
        for _, name, _, pages in papers:
            hands.accept(name, pages)
        tally["acknowledged commands"] += 1


def kill_at_random(service, kills, chance, hands, tally, failures):
    """So many kills; before each the service is started, and stands until its moment comes."""
    for number in range(1, kills + 1):
        hands.allowed = number / kills
        if failures:
            return
        early, moment = chance.random() < EARLY, chance.random()
        if early:
            service.start()
        else:
            start(service, tally)
            tally["kills while it served"] += 1
        time.sleep(moment * (EARLY_S if early else LATE_S))
        if not service.lives():
            refused(service, tally)
        service.kill()
        if number % 10 == 0:
            say(f"{number} kills, {hands.given} of {hands.total} documents given, {len(hands.accepted)} acknowledged")


def start(service, tally):
    """Until it serves. Where a command happens to hold the folder, it is refused, and started again, as a supervisor does it."""
    while True:
        service.start()
        while service.lives():
            if service.takes_commands():
                return
            time.sleep(0.02)
        refused(service, tally)


def refused(service, tally):
    check("another quire" in service.tail(3), f"the service ended with {service.process.returncode}", service.tail())
    tally["starts refused"] += 1
    time.sleep(0.2)


def run(args, folder):
    chance = random.Random(args.seed)
    service = Service(args.program, folder)
    papers = Papers(args.pdfs)
    hands = Hands(papers, args.pages, lambda number: pages_of(service, papers, number))
    tally = dict.fromkeys(
        ["acknowledged uploads", "uploads cut off", "acknowledged commands", "commands cut off", "starts refused",
         "kills while it served"], 0)
    say(f"{args.kills} kills, {hands.total} documents of {hands.pages} pages, seed {args.seed}, in {folder}")
    began = time.monotonic()
    end = soak.in_background(
        lambda: watched_door(service, hands),
        lambda: upload_door(service, hands, tally),
        lambda: upload_door(service, hands, tally),
        lambda: command_door(service, hands, tally),
    )
    try:
        kill_at_random(service, args.kills, chance, hands, tally, end.failures)
        hands.allowed = 1.0
        start(service, tally)
        end()

        def drained():
            check(service.lives(), "the service ended by itself", service.tail())
            drained.said = counts = service.counts() or {}
            check(not counts.get("dead") and not counts.get("rejected"), "somebody was given up", counts)
            known = counts.get("indexed", 0)
            return known >= len(hands.accepted) and known == sum(counts.values())

        soak.until("every document to be indexed", drained, PATIENCE_S, every_s=1)
        found, pages = soak.check_whole(service, hands.accepted, hands.unsure)
        service.stop()
        soak.check_files(service, found)
        soak.check_store(service, pages, 60)
    except BaseException:
        hands.over.set()
        raise
    finally:
        service.kill()
    return {
        "kills": args.kills, "seed": args.seed, "documents": len(found), "pages": pages,
        "acknowledged": len(hands.accepted), "seconds": round(time.monotonic() - began), **tally,
    }


@functools.cache
def pages_of_real(service, path):
    """The program is asked, at rest."""
    code, out, err = service.command("--data-dir", service.folder / "counting", "--json", "ingest", path)
    check(code == 0, f"{path} can't be used", out + err)
    return json.loads(out)["pages"]


def pages_of(service, papers, number):
    if papers.real:
        return pages_of_real(service, papers.real[number % len(papers.real)])
    return papers.bytes(number).count(b"/Type /Page ")


if __name__ == "__main__":
    parser = soak.arguments(__doc__)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--pages", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pdfs", type=Path, help="a folder of real PDFs")
    sys.exit(soak.main(run, parser))
