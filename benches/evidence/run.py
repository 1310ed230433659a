#!/usr/bin/env python3
"""How well the best region of a page meets the marked answer: intersection over union, over 100 questions whose answers are marked
on pages of the demo's documents; once over the PDFs, whose words have boxes, and once over pictures of the same pages, on which
Quire has to find ink. Needs Poppler's tools (`pdftotext`, `pdftoppm`).

    benches/evidence/run.py target/release/quire
"""
import argparse, json, os, shutil, subprocess, sys, tempfile

import marked

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
DOCUMENTS = os.path.join(ROOT, "demo", "documents")


def iou(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    area = lambda box: (box[2] - box[0]) * (box[3] - box[1])
    return shared / (area(a) + area(b) - shared)


def holds(region, box):
    """Whether the middle of the answer lies in the region."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return region[0] <= x <= region[2] and region[1] <= y <= region[3]


class Quire:
    def __init__(self, program, data):
        self.program, self.environment = program, {**os.environ, "QUIRE_DATA_DIR": data}

    def json(self, *arguments):
        done = subprocess.run([self.program, *arguments, "--json"], env=self.environment, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"quire {' '.join(arguments)}: {done.stderr}")
        return json.loads(done.stdout)

    def regions(self, question, document, page):
        found = self.json("search", question, "--limit", "1", "--document", document, "--pages", str(page))["hits"]
        return [[r["left"], r["top"], r["right"], r["bottom"]] for r in found[0]["regions"]] if found else []


def pictures(pdf, folder):
    """The pages of a PDF as grey JPEG pictures of 150 dpi, as a scanner makes them."""
    stem = os.path.splitext(os.path.basename(pdf))[0]
    subprocess.run(["pdftoppm", "-r", "150", "-gray", "-jpeg", "-jpegopt", "quality=70", pdf, os.path.join(folder, stem)], check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("quire", help="the program")
    parser.add_argument("--work", help="folder that is kept: a second run finds its documents indexed")
    parser.add_argument("--show", action="store_true", help="one line a question")
    options = parser.parse_args()
    work = options.work or tempfile.mkdtemp(prefix="quire-evidence-")
    questions = [json.loads(line) for line in open(os.path.join(HERE, "questions.jsonl"), encoding="utf-8")]
    names = sorted({question["document"] for question in questions})
    pages = {name: marked.pages(os.path.join(DOCUMENTS, name)) for name in names}
    report = {}
    for kind in ("documents", "pictures"):
        folder, data = os.path.join(work, kind), os.path.join(work, kind + "-data")
        if not os.path.isdir(folder):
            os.makedirs(folder)
            for name in names:
                source = os.path.join(DOCUMENTS, name)
                shutil.copy(source, folder) if kind == "documents" else pictures(source, folder)
        quire = Quire(options.quire, data)
        quire.json("ingest", folder)
        results = []
        for question in questions:
            name, page = question["document"], question["page"]
            box = marked.box(pages[name][page - 1], question["marked"])
            if kind == "documents":
                regions = quire.regions(question["question"], os.path.join(folder, name), page)
            else:
                regions = quire.regions(question["question"], os.path.join(folder, f"{name[:-4]}-{page:02}.jpg"), 1)
            best = iou(regions[0], box) if regions else 0.0
            among = max((iou(region, box) for region in regions), default=0.0)
            hit = bool(regions) and holds(regions[0], box)
            results.append((best, hit, among))
            if options.show:
                print(f"{kind:9} {best:.2f} {among:.2f} {'hit ' if hit else 'miss'} {name} p{page} {question['question']}")
        count = len(results)
        report[kind] = {
            "questions": count,
            "iou": round(sum(best for best, _, _ in results) / count, 3),
            "iou_at_least_half": round(sum(best >= 0.5 for best, _, _ in results) / count, 3),
            "answer_in_best_region": round(sum(hit for _, hit, _ in results) / count, 3),
            "iou_of_best_among_all": round(sum(among for _, _, among in results) / count, 3),
        }
    print(json.dumps(report, indent=1))
    if not options.work:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
