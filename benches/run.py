#!/usr/bin/env python3
"""Measures Quire beside its peers and prints one table; `make bench` calls it.

Ours and theirs take turns (A B A B ...) in processes that stay warm, so that whatever else the machine does falls on
both. What the issue of a figure says is equal, is compared: the run ends with 1 where it is not. Nothing else is a
verdict: on a busy machine only the ratios say something.

Needs the standard library; the peers have a virtual environment of their own.
"""

import argparse
import array
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import corpus
import memory

HERE = Path(__file__).resolve().parent
# Peers load ONNX Runtime too, whose builds report to their maker unless this is set before.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class Side:
    """A process that speaks the protocol of benches/measure/main.rs."""

    def __init__(self, command, environment=None, core=None):
        pin = None
        if core is not None and hasattr(os, "sched_setaffinity"):
            pin = lambda: os.sched_setaffinity(0, {core})  # noqa: E731
        self.process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environment or {})},
            preexec_fn=pin,
        )
        self.times = []
        self.facts = self._line()

    def _line(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{' '.join(self.process.args)} ended with {self.process.wait()}")
        return json.loads(line)

    def round(self, calls):
        self.process.stdin.write(f"{calls}\n")
        self.process.stdin.flush()
        self.times += self._line()["ms"]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def in_turns(sides, rounds):
    """`sides`: pairs of a side and its calls a round."""
    for side, _ in sides:
        side.round(1)  # not counted
        side.times.clear()
    for _ in range(rounds):
        for side, calls in sides:
            side.round(calls)
    for side, _ in sides:
        side.close()


def row(item, ours, peer, peer_name, target, unit="ms"):
    ratio = lambda of: of(peer) / of(ours)  # noqa: E731
    return {
        "item": item,
        "unit": unit,
        "ours": {"min": min(ours), "median": statistics.median(ours)},
        "peer": {"min": min(peer), "median": statistics.median(peer), "name": peer_name},
        "ratio": {"min": ratio(min), "median": ratio(statistics.median)},
        "target": target,
    }


def kernels(args, folder):
    """Single-threaded: both sides on one core."""
    core = max(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    subprocess.run([args.measure, "inputs", folder], check=True)
    for name, item, target, calls in [
        ("muvera", "MUVERA document encoding, 1030 x 128", ">= 40", (40, 4)),
        ("pooling", "hierarchical pooling by 3, 1030 x 128", ">= 20", (10, 2)),
        ("image", "page 1654 x 2339 to 448 x 448 tensor", ">= 4", (10, 4)),
    ]:
        peer_command = [args.python, HERE / "peers" / f"{name}.py", folder]
        ours = Side([args.measure, name, folder], core=core)
        peer = Side(peer_command, ONE_THREAD, core)
        in_turns([(ours, calls[0]), (peer, calls[1])], args.rounds)
        made = row(item, ours.times, peer.times, peer.facts["peer"], target)
        made["equal"] = equal(name, folder)
        yield made


def numbers(path, kind):
    values = array.array(kind)
    values.frombytes(path.read_bytes())
    return values


def equal(name, folder):
    """What must be equal, in words; ends the run where it is not."""
    ours, peer = folder / f"{name}.ours", folder / f"{name}.peer"
    if name == "muvera":
        found, expected = numbers(ours, "f"), numbers(peer, "d")
        size = (sum(value * value for value in expected) / len(expected)) ** 0.5
        error = max(abs(a - b) / max(abs(b), size) for a, b in zip(found, expected))
        same, said = len(found) == len(expected) and error < 1e-5, f"largest relative error {error:.1e}"
    else:
        same, said = ours.read_bytes() == peer.read_bytes(), {"pooling": "same clusters", "image": "bit-equal"}[name]
    if not same:
        sys.exit(f"{name}: ours and the peer's differ ({said})")
    return said


def drawing(args, pdfs):
    ours = Side([args.measure, "render", pdfs])
    peer = Side([args.python, HERE / "peers" / "render.py", pdfs])
    pages, pixels = ours.facts["pages"], ours.facts["pixels"]
    # The peer rounds sides up, ours to the nearest.
    if peer.facts["pages"] != pages or abs(peer.facts["pixels"] / pixels - 1) > 0.005:
        sys.exit(f"render: ours drew {pages} pages of {pixels} pixels, the peer {peer.facts}")
    in_turns([(ours, 1), (peer, 1)], args.rounds)
    made = row("rendering, a page", *per_page(pages, ours, peer), peer.facts["peer"], ">= 1.6")
    made["equal"] = f"{pages} pages, {ours.facts['workers']} workers"
    return made


def per_page(pages, *sides):
    return [[time / pages for time in side.times] for side in sides]


def flow(args, pdfs, folder):
    """Ingest beside its two parts alone: rendering, and the page model twice: in a bare session of ONNX Runtime, and as an
    ingest runs it, which is faster. All take turns."""
    subprocess.run([args.measure, "canvases", pdfs, folder], check=True)
    render, forward = Side([args.measure, "render", pdfs]), Side([args.measure, "forward", pdfs])
    bare = Side([args.python, HERE / "peers" / "forward.py", folder])
    pages = render.facts["pages"]
    if {side.facts["pages"] for side in (forward, bare)} != {pages}:
        sys.exit(f"flow: {pages} pages were drawn, and other numbers embedded")
    ingests = []
    for side in (render, forward, bare):
        side.round(1)
        side.times.clear()
    for _ in range(args.flow_rounds):
        render.round(1)
        bare.round(1)
        ingests.append(memory.ingest(args.quire, pdfs)["seconds"] * 1e3)
        forward.round(1)
    for side in (render, forward, bare):
        side.close()
    of_page = lambda times: [time / pages for time in times]  # noqa: E731

    def beside(name, model, target):
        parts = of_page([a + b for a, b in zip(render.times, model.times)])
        made = row(f"ingest, a page, beside rendering + {name}", of_page(ingests), parts, "the parts", target)
        made["ratio"] = {key: 1 / value for key, value in made["ratio"].items()}
        made["equal"] = (
            f"{pages} pages: rendering {statistics.median(of_page(render.times)):.1f} ms, "
            f"model {statistics.median(of_page(model.times)):.1f} ms"
        )
        return made

    model = row("page model, a page", of_page(forward.times), of_page(bare.times), bare.facts["peer"], "< 50 ms")
    return [
        beside("a bare session of the model", bare, "<= 1.3"),
        beside("the model as ingest runs it", forward, ""),
        model,
    ]


def single(item, values, unit, target):
    ours = {"min": min(values), "median": statistics.median(values)}
    return {"item": item, "unit": unit, "ours": ours, "target": target}


def question(args):
    ours = Side([args.measure, "question"])
    in_turns([(ours, 50)], args.rounds)
    return single("a question of ten words", ours.times, "ms", "< 3")


def peak_memory(args, folder):
    document = folder / "large" / "2000-pages.pdf"
    document.parent.mkdir()
    subprocess.run([args.python, HERE / "corpus.py", args.pdfs or corpus.DEMO, document, "2000"], check=True)
    found = memory.ingest(args.quire, document.parent, watch=True)
    made = single("peak memory of 2,000 pages, all processes", [found["peak_rss_mib"]], "MiB", "< 1536")
    made["equal"] = f"{found['pages']} pages; {found['peak_pss_mib']:.0f} MiB with shared pages counted once"
    return made


def built():
    """The bench binary, built where it is not."""
    command = ["cargo", "build", "--release", "--locked", "--bench", "measure", "--message-format=json-render-diagnostics"]
    done = subprocess.run(command, cwd=HERE, stdout=subprocess.PIPE, text=True, check=True)
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    made = [one for one in messages if one.get("executable") and one["target"]["name"] == "measure"]
    return Path(made[-1]["executable"])


def machine(args):
    cpu = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.split(":")[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        cpu = names[0] if names else cpu
    version = subprocess.run([args.quire, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cpu": cpu,
        "cores": cores,
        "system": f"{platform.system()} {platform.release()}",
        "quire": version,
        "rustc": subprocess.run(["rustc", "--version"], capture_output=True, text=True).stdout.strip(),
        "python": platform.python_version(),
        "load_before": os.getloadavg(),
    }


def shown(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def table(report):
    lines = ["| | ours (min / median) | peer (min / median) | ratio (min / median) | target | |", "|---|---|---|---|---|---|"]
    for one in report["items"]:
        ours = " / ".join(shown(value) for value in one["ours"].values()) + f" {one['unit']}"
        peer = ratio = ""
        if "peer" in one:
            peer = f"{shown(one['peer']['min'])} / {shown(one['peer']['median'])}: {one['peer']['name']}"
            ratio = f"{one['ratio']['min']:.2f} / {one['ratio']['median']:.2f}"
        lines.append(f"| {one['item']} | {ours} | {peer} | {ratio} | {one['target']} | {one.get('equal', '')} |")
    about = report["machine"]
    loads = " and ".join(f"{about[key][0]:.1f}" for key in ("load_before", "load_after"))
    lines.append("")
    lines.append(
        f"{about['cpu']}, {about['cores']} cores, {about['system']}; {about['quire']}, {about['rustc']}, "
        f"Python {about['python']}; load {loads} before and after."
    )
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--measure", type=Path, help="the bench binary, built by cargo where it is not given")
    parser.add_argument("--quire", type=Path, required=True, help="the program")
    parser.add_argument("--python", type=Path, required=True, help="Python of the peers' environment")
    parser.add_argument("--pdfs", type=Path, help="a folder of PDFs in the place of the demo's documents")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--flow-rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", choices=["kernels", "render", "flow", "question", "memory"])
    parser.add_argument("--json", type=Path, help="also write the figures here")
    args = parser.parse_args()
    args.measure = args.measure or built()
    wanted = lambda name: not args.only or name in args.only  # noqa: E731
    report = {"machine": machine(args), "items": []}
    folder = Path(tempfile.mkdtemp(prefix="quire-bench-"))
    try:
        pdfs = corpus.gather(args.pdfs, folder / "pdfs")
        if wanted("kernels"):
            report["items"] += kernels(args, folder)
        if wanted("render"):
            report["items"].append(drawing(args, pdfs))
        if wanted("flow"):
            report["items"] += flow(args, pdfs, folder)
        if wanted("question"):
            report["items"].append(question(args))
        if wanted("memory"):
            report["items"].append(peak_memory(args, folder))
    finally:
        shutil.rmtree(folder)
    report["machine"]["load_after"] = os.getloadavg()
    if args.json:
        args.json.write_text(json.dumps(report, indent=2) + "\n")
    print(table(report))


if __name__ == "__main__":
    main()
