"""One poisonous document among 99: a page that no renderer ever finishes, which costs worker process after worker process. It alone
ends given up, with the reason; the others are indexed, and do not wait for it.

    tests/soak/poison.py QUIRE
"""

import sys
import time

import service as soak
from papers import Papers, poison
from service import Service, check, say

NAME = "000050-poison.pdf"


def run(args, folder):
    service, papers = Service(args.program, folder, "render: {page_timeout_s: 3}\n"), Papers()
    expected = {}
    for number in range(args.documents):
        content = papers.bytes(number)
        name = papers.name(number)
        service.put_down(name, content)
        expected[name] = content.count(b"/Type /Page ")
    service.put_down(NAME, poison())
    service.start()
    service.wait_for()
    began = time.monotonic()
    seconds = {}
    try:

        def ended():
            check(service.lives(), "the service ended", service.tail())
            ended.said = counts = service.counts() or {}
            if counts.get("indexed", 0) == args.documents:
                seconds.setdefault("others", round(time.monotonic() - began, 1))
            return set(counts) <= {"indexed", "dead", "rejected"} and sum(counts.values()) == args.documents + 1

        soak.until("every document to come to its end", ended, 900)
        seconds["all"] = round(time.monotonic() - began, 1)
        [bad] = [document for document in service.documents() if document["state"] != "indexed"]
        check(bad["source"].endswith(NAME), "who was given up", bad)
        check("page_timeout_s" in bad["reason"], "the reason", bad)
        say(f"{bad['state']} after {bad['attempts']} attempts: {bad['reason']}")
        code, deleted = service.ask("DELETE", f"/v1/documents/{bad['document_id']}")
        check(code == 200, "deleting it", (code, deleted))
        found, pages = soak.check_whole(service, expected)
        service.stop()
        soak.check_files(service, found)
    finally:
        service.kill()
    return {"documents": len(found), "pages": pages, "poison": {key: bad[key] for key in ("state", "attempts", "reason")},
            "seconds": seconds}


if __name__ == "__main__":
    parser = soak.arguments(__doc__)
    parser.add_argument("--documents", type=int, default=99)
    sys.exit(soak.main(run, parser))
