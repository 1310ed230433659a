"""10,000 small documents, dropped into a watched folder at once: throughput and memory stay as they are from the first thousand to
the last. Writes samples.csv and plot.svg.

    tests/soak/growth.py QUIRE --out FOLDER              10,000 documents; a quiet machine, please
    tests/soak/growth.py QUIRE --out FOLDER --documents 1500

Compares the second tenth of the documents with the last one (the first tenth holds the start): the run ends with 1 where pages a
second fell by more than a third, or anonymous memory grew by more than a quarter and 64 MiB. What the engine maps from disk is
resident too, grows with what is stored, and goes when others need the memory: it is shown, and no verdict.
"""

import sys
import time
from pathlib import Path

import service as soak
from papers import paper
from samples import Sampler, middle, plot, write_csv
from service import Service, check, say

SLOWER, LARGER, LARGER_MIB = 0.67, 1.25, 64


def run(args, folder):
    service = Service(args.program, folder)
    for number in range(args.documents):
        service.put_down(f"{number:06}.pdf", paper(number))
    say(f"{args.documents} documents lie in the watched folder")
    service.start()
    service.wait_for()
    sampler = Sampler(service, args.every)
    try:

        def done():
            check(service.lives(), "the service ended", service.tail())
            done.said = counts = service.counts() or {}
            check(not counts.get("dead") and not counts.get("rejected"), "somebody was given up", counts)
            return counts.get("indexed", 0) == args.documents

        soak.until("every document", done, args.documents * 5 + 600, every_s=2)
        seconds = time.monotonic() - sampler.began
        rows = sampler.end()
        soak.check_store(service, args.documents, 120)
        service.stop()
    finally:
        service.kill()
    args.out.mkdir(parents=True, exist_ok=True)
    for before, row in zip(rows, rows[1:]):
        row["pages_a_second"] = round((row["pages"] - before["pages"]) / max(0.1, row["seconds"] - before["seconds"]), 2)
    rows = rows[1:]
    write_csv(rows, args.out / "samples.csv")
    panels = [
        ("pages a second", ["pages_a_second"]),
        ("memory, MiB", ["anonymous_mib", "resident_mib", "workers_mib"]),
        ("descriptors", ["descriptors"]),
        ("disk, MiB", ["disk_mib"]),
    ]
    plot(rows, panels, args.out / "plot.svg", f"{args.documents} documents of one page", x="pages")
    return verdict(rows, args.documents, seconds)


def tenth(rows, documents, number):
    return [row for row in rows if documents * number / 10 <= row["pages"] < documents * (number + 1) / 10]


def rate(rows):
    if len(rows) < 2:
        return 0.0
    return (rows[-1]["pages"] - rows[0]["pages"]) / max(0.1, rows[-1]["seconds"] - rows[0]["seconds"])


def verdict(rows, documents, seconds):
    early, late = tenth(rows, documents, 1), tenth(rows, documents, 9)
    rates = [rate(early), rate(late)]
    memory = [middle([row["anonymous_mib"] for row in part]) for part in (early, late)]
    faults = []
    if rates[1] < rates[0] * SLOWER:
        faults.append("the last tenth went more slowly than the second")
    if memory[1] > memory[0] * LARGER and memory[1] > memory[0] + LARGER_MIB:
        faults.append("anonymous memory grew")
    return {
        "documents": documents, "seconds": round(seconds), "pages_a_second": round(documents / seconds, 2),
        "pages_a_second_second_and_last_tenth": [round(value, 2) for value in rates],
        "pages_a_second_of_tenths": [round(rate(tenth(rows, documents, number)), 2) for number in range(10)],
        "anonymous_mib_second_and_last_tenth": memory,
        "resident_mib_most": max((row["resident_mib"] for row in rows), default=0), "faults": faults,
    }


if __name__ == "__main__":
    parser = soak.arguments(__doc__)
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--every", type=float, default=5.0, help="seconds between samples")
    parser.add_argument("--out", type=Path, default=Path("soak-growth"), help="where samples and plot go")
    sys.exit(soak.main(run, parser))
