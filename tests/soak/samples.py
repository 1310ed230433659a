"""Samples of a running service, a table of them (CSV) and a plot (SVG), both without extra packages."""

import csv
import threading
import time
from pathlib import Path

from service import GONE

FIELDS = ["seconds", "pages", "waiting", "resident_mib", "anonymous_mib", "workers_mib", "descriptors", "disk_mib"]
MIB = 1 << 20


def memory(pid):
    """Resident and anonymous memory of a process, in MiB; zero where it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0, 0.0
    kib = dict(line.split(":", 1) for line in lines)
    read = lambda field: int(kib.get(field, "0").split()[0]) / 1024  # noqa: E731
    return read("VmRSS"), read("RssAnon")


def descriptors(pid):
    try:
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except OSError:
        return 0


def disk_mib(folder):
    """What the files take, in blocks; files that go meanwhile count nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_blocks * 512
        except OSError:
            pass
    return total / MIB


class Sampler:
    """Takes a sample every `every_s` seconds until it is ended. A service that does not answer leaves pages and queue as before."""

    def __init__(self, service, every_s=2.0, also=None):
        self.service, self.every_s, self.also = service, every_s, also or (lambda: {})
        self.rows, self.began, self.over = [], time.monotonic(), threading.Event()
        self.thread = threading.Thread(target=self._take, daemon=True)
        self.thread.start()

    def _take(self):
        while not self.over.wait(self.every_s):
            try:
                self.rows.append(self.sample())
            except GONE:
                pass  # it is being killed or ends

    def sample(self):
        last = self.rows[-1] if self.rows else {"pages": 0, "waiting": 0}
        status = self.service.status()
        pages = sum(it["pages"] for it in status["collections"]) if status else last["pages"]
        waiting = status["queue"]["queued"] + status["queue"]["processing"] if status else last["waiting"]
        own, *others = self.service.tree()
        resident, anonymous = memory(own)
        return {
            "seconds": round(time.monotonic() - self.began, 1), "pages": pages, "waiting": waiting,
            "resident_mib": round(resident, 1), "anonymous_mib": round(anonymous, 1),
            "workers_mib": round(sum(memory(pid)[0] for pid in others), 1), "descriptors": descriptors(own),
            "disk_mib": round(disk_mib(self.service.data), 1), **self.also(),
        }

    def end(self):
        self.over.set()
        self.thread.join()
        return self.rows


def write_csv(rows, path):
    with open(path, "w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]) if rows else FIELDS)
        table.writeheader()
        table.writerows(rows)


def middle(values):
    values = sorted(values)
    return values[len(values) // 2] if values else 0.0


def quarters(rows, field):
    """The median of a field in the first quarter of the samples and in the last."""
    length = max(1, len(rows) // 4)
    return middle([row[field] for row in rows[:length]]), middle([row[field] for row in rows[-length:]])


# Width and height of one panel, and the room around it, in pixels.
WIDE, HIGH, LEFT, TOP = 720, 150, 70, 34


def plot(rows, panels, path, title, x="seconds"):
    """Writes an SVG of one panel below the other. `panels`: what stands over it, and the fields it shows."""
    colours = ["#1f6feb", "#d1242f", "#1a7f37", "#8250df"]
    height = TOP + len(panels) * (HIGH + TOP) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDE + LEFT + 20}" height="{height}" font-family="sans-serif" '
        f'font-size="11"><rect width="100%" height="100%" fill="white"/><text x="{LEFT}" y="18" font-size="14">{title}</text>'
    ]
    most_x = max((row[x] for row in rows), default=1) or 1
    for number, (name, fields) in enumerate(panels):
        top = TOP + number * (HIGH + TOP) + 18
        most = max((row[field] for row in rows for field in fields), default=1) or 1
        parts.append(f'<text x="{LEFT}" y="{top - 5}">{name}</text>')
        for share in (0, 0.5, 1):
            y = top + HIGH * (1 - share)
            parts.append(f'<line x1="{LEFT}" x2="{LEFT + WIDE}" y1="{y}" y2="{y}" stroke="#ddd"/>')
            parts.append(f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{most * share:.4g}</text>')
        for field, colour in zip(fields, colours):
            points = " ".join(
                f"{LEFT + WIDE * row[x] / most_x:.1f},{top + HIGH * (1 - row[field] / most):.1f}" for row in rows
            )
            parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
            at = LEFT + 180 + 150 * fields.index(field)
            parts.append(f'<text x="{at}" y="{top - 5}" fill="{colour}">{field}</text>')
    parts.append(f'<text x="{LEFT + WIDE}" y="{height - 4}" text-anchor="end">{x}: {most_x:.6g}</text></svg>')
    Path(path).write_text("\n".join(parts))
