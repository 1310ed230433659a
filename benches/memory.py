"""An ingest from start to end, and the memory of all its processes meanwhile.

    memory.py QUIRE FOLDER
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

INTERVAL_S = 0.05
# Asked less often: the kernel walks every page of a process for it.
PSS_EVERY = 10


def ingest(quire, folder, watch=False):
    """Into a data folder of its own. `seconds`: of the whole process; with `watch` also its peak memory in MiB, the sum
    over the process and its workers: resident, and with pages that several share counted once."""
    with tempfile.TemporaryDirectory(prefix="quire-bench-data-") as data:
        started = time.perf_counter()
        process = subprocess.Popen(
            [str(quire), "--quiet", "--json", "--data-dir", data, "ingest", str(folder)], stdout=subprocess.PIPE, text=True
        )
        peaks = sample(process) if watch else {}
        out, _ = process.communicate()
        seconds = time.perf_counter() - started
    summary = json.loads(out)
    if process.returncode or summary["failures"] or summary["failed_pages"]:
        sys.exit(f"the ingest ended with {process.returncode}: {summary['failures']} {summary['failed_pages']}")
    return {"seconds": seconds, "pages": summary["pages"], **peaks}


def sample(process):
    rss, pss, number = 0, 0, 0
    while process.poll() is None:
        tree = [process.pid, *children(process.pid)]
        rss = max(rss, sum(kib(pid, "status", "VmRSS:") for pid in tree))
        if number % PSS_EVERY == 0:
            pss = max(pss, sum(kib(pid, "smaps_rollup", "Pss:") for pid in tree))
        number += 1
        time.sleep(INTERVAL_S)
    return {"peak_rss_mib": rss / 1024, "peak_pss_mib": pss / 1024}


def children(pid):
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(child) for child in task.read_text().split()]
        except OSError:
            pass  # the thread has ended
    return found


def kib(pid, file, field):
    try:
        for line in Path(f"/proc/{pid}/{file}").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1])
    except OSError:
        pass  # the process has ended
    return 0


if __name__ == "__main__":
    print(json.dumps(ingest(sys.argv[1], sys.argv[2], watch=True), indent=2))
