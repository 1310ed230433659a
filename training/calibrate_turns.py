"""Do the thresholds of `page.turns` fit the weights? Shares of weak and sure vectors over pages as they stand and turned, and how often the rule is wrong.

    python calibrate_turns.py --model models/quire-glyph --pdfs FOLDER [--pages 120]
"""
import argparse, glob, os, random
import numpy as np
import pypdfium2 as pdfium
from canvas import looks
from glyph import Glyph


def pages(folder, count):
    """Images at 150 dpi of pages picked at random."""
    rng = random.Random(5)
    files = sorted(glob.glob(os.path.join(folder, "**", "*.pdf"), recursive=True))
    for path in rng.sample(files, min(count, len(files))):
        try:
            document = pdfium.PdfDocument(path)
            yield document[rng.randrange(len(document))].render(scale=150 / 72).to_pil()
        except pdfium.PdfiumError:
            continue


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--model", required=True), ap.add_argument("--pdfs", required=True), ap.add_argument("--pages", type=int, default=120)
    a = ap.parse_args()
    g = Glyph(a.model)
    rules, shares, doubted, wrong = g.manifest["page"]["turns"], [[], [], [], []], 0, [0] * 4
    for image in pages(a.pdfs, a.pages):
        first = looks(image, g.manifest["page"], 150)[0]
        if len(g.read(0, first).cells) < rules["tried_from_cells"]:
            continue
        for turn in range(4):
            shares[turn].append(g.evidence(g.read(0, first, turn).vectors))
            # Turned by the rest of a circle, the page is upright again.
            read = {r.turn for r in g.readings([np.ascontiguousarray(np.rot90(first, turn))])}
            wrong[turn] += read != {-turn % 4}
        weak, sure = shares[0][-1]
        doubted += weak >= rules["tried_if_weak"] or sure < rules["tried_if_sure_below"]
    n = len(shares[0])
    print(f"{n} pages; {doubted} in doubt though upright")
    for turn, rows in enumerate(shares):
        quantiles = np.quantile(np.array(rows), [0.05, 0.25, 0.5, 0.75, 0.95], axis=0).round(2).T.tolist()
        print(f"turned by {90 * turn}: weak {quantiles[0]}, sure {quantiles[1]} (quantiles .05 .25 .5 .75 .95); not read as one should {wrong[turn]}")


if __name__ == "__main__":
    main()
