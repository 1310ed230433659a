"""How long a search takes over many pages: at rest, during an ingest, during an optimise; what of it is Quire's own code; and 200 who
ask at once. Timings are for a quiet machine.

    tests/soak/latency.py QUIRE                          10,000 pages (an hour or more to index)
    tests/soak/latency.py QUIRE --pages 300 --questions 50
    tests/soak/latency.py QUIRE --data FOLDER            keeps the index in FOLDER, and uses what is there

Milliseconds as the client sees them (`wall`), and as the answer counts them (`timings_ms`): `embed` is the page model, `query` the store
with the ledger's word on what may be seen. What they leave is given as shares of `wall`, the medians over all questions: `evidence` is
`total` without both (regions on the pages, for which patches are read from the store), `outside` is `wall` without `total` (HTTP, JSON,
and the client). Of 200 askers each must get 200 or 429.
"""

import collections
import concurrent.futures
import sys
import threading
import time
from pathlib import Path

import service as soak
from papers import fact, paper
from samples import middle
from service import Service, check, say

ASKERS = 200


def ask(service, number):
    """Wall time in ms, and the timings of the answer."""
    began = time.perf_counter()
    body = {"query": fact(number), "limit": 5}
    code, answer = service.ask("POST", "/v1/search", body, timeout_s=120)
    wall = (time.perf_counter() - began) * 1e3
    return code, wall, answer


def share(sorted_values, at):
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * at))]


def measure(service, pages, questions, going_on=lambda: True):
    """Asks one question after the other, as long as `going_on`."""
    walls, parts, found, shares = [], collections.defaultdict(list), 0, collections.defaultdict(list)
    for number in range(questions):
        if number and not going_on():
            break
        about = number * 7919 % pages
        code, wall, answer = ask(service, about)
        check(code == 200, "a search", (code, answer))
        walls.append(wall)
        timings = answer["timings_ms"]
        for name, value in timings.items():
            parts[name].append(value)
        shares["evidence"].append(timings["evidence"] / wall)
        shares["outside"].append((wall - timings["total"]) / wall)
        found += any(f"{about:06}" in hit["source"] for hit in answer["hits"])
    walls.sort()
    timings = {name: round(middle(values), 2) for name, values in parts.items()}
    return {
        "questions": len(walls), "wall_p50": round(share(walls, 0.5), 2), "wall_p95": round(share(walls, 0.95), 2),
        "timings_ms_p50": timings, "percent": {name: round(100 * middle(values), 1) for name, values in shares.items()},
        "found_among_five": found,
    }


def index(service, pages):
    for number in range(pages):
        service.put_down(f"{number:06}.pdf", paper(number))

    def done():
        check(service.lives(), "the service ended", service.tail())
        done.said = counts = service.counts() or {}
        return counts.get("indexed", 0) >= pages

    soak.until("the pages", done, pages * 5 + 600, every_s=1)


def during_ingest(service, pages, questions):
    """As long as further documents are being indexed."""
    for number in range(pages, pages + max(50, pages // 10)):
        service.put_down(f"{number:06}.pdf", paper(number))
    soak.until("the ingest to begin", lambda: working(service), 120)
    measured = measure(service, pages, questions, lambda: working(service))
    soak.until("the ingest to end", lambda: not working(service), pages + 600)
    return measured


def working(service):
    return service.status()["queue"]["processing"] > 0


def during_optimise(service, pages, questions):
    """While indexes are built and segments merged: a vector is added to the filled collection, which builds it beside the old one."""
    over = threading.Event()
    outcome = []

    def derive():
        outcome.append(service.command("derive", "add", "fde", "--collection", soak.COLLECTION, timeout_s=7200))
        over.set()

    threading.Thread(target=derive, daemon=True).start()
    measured = measure(service, pages, questions, lambda: not over.is_set())
    over.wait()
    [(code, out, err)] = outcome
    check(code == 0, "`quire derive add`", (code, out, err))
    return measured


def all_at_once(service, pages):
    with concurrent.futures.ThreadPoolExecutor(ASKERS) as askers:
        answers = list(askers.map(lambda number: ask(service, number % pages), range(ASKERS)))
    by_status = collections.Counter(code for code, _, _ in answers)
    other = [(code, answer) for code, _, answer in answers if code not in (200, 429)]
    check(not other, "an error that is no 429", other[:2])
    check(by_status[200] > 0, "nobody was answered", by_status)
    walls = sorted(wall for code, wall, _ in answers if code == 200)
    return {"by_status": dict(by_status), "wall_p50": round(share(walls, 0.5)), "wall_p95": round(share(walls, 0.95))}


def run(args, folder):
    service = Service(args.program, args.data or folder)
    service.start()
    service.wait_for()
    try:
        index(service, args.pages)
        say("indexed")
        measure(service, args.pages, 5)  # not counted
        outcome = {"pages": args.pages, "at_rest": measure(service, args.pages, args.questions)}
        say(f"at rest: {outcome['at_rest']}")
        outcome["during_ingest"] = during_ingest(service, args.pages, args.questions)
        say(f"during ingest: {outcome['during_ingest']}")
        outcome["during_optimise"] = during_optimise(service, args.pages, args.questions)
        say(f"during optimise: {outcome['during_optimise']}")
        outcome["askers_at_once"] = all_at_once(service, args.pages)
        service.stop()
    finally:
        service.kill()
    return outcome


if __name__ == "__main__":
    parser = soak.arguments(__doc__)
    parser.add_argument("--pages", type=int, default=10_000)
    parser.add_argument("--questions", type=int, default=500, help="of each measurement, at most")
    parser.add_argument("--data", type=Path, help="where the index is kept for the next time")
    sys.exit(soak.main(run, parser))
