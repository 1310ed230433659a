"""The other side of the protocol of benches/measure/main.rs: facts first, then for every line of standard input, a
number of calls, a line of JSON with the milliseconds of each."""

import json
import sys
import time


def serve(facts, call):
    print(json.dumps(facts), flush=True)
    for line in sys.stdin:
        milliseconds = []
        for _ in range(int(line)):
            started = time.perf_counter()
            call()
            milliseconds.append((time.perf_counter() - started) * 1e3)
        print(json.dumps({"ms": milliseconds}), flush=True)
