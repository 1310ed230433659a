"""Figures for choosing settings: documents of the development packages and drawn pages in held-out fonts, by plain MaxSim.

    python measure.py --model MODEL --pdfs DEV_PDFS --fonts FONTS --vocabulary WORDS.gz

"full": the full canvas alone; "passes": with the canvases of .35 and .15; "drawn": one word in readable letters of a drawn page, among pages
of its kind. "kept" is vectors a page.
"""
import argparse, collections, json, os, random
os.environ["ORT_DISABLE_TELEMETRY"] = "1"      # before it is loaded, or it reports to its maker
from multiprocessing import get_context
import numpy as np
from evaluate import maxsim_scores, questions, ranks, table
from glyph import Glyph
from sources import PASSES, document_jobs, reduced

KINDS = {"text": (832, 576, "text"), "large": (832, 576, "large"), "third": (304, 416, "cover"), "sixth": (128, 176, "cover")}


def start(model, fonts, vocabulary):
    global glyph, painter
    from synthetic import Fonts, Painter
    from vocabulary import load
    glyph, painter = Glyph(model, threads=1), Painter(Fonts(fonts, held_out=True), load(vocabulary), 0)


def kept(canvas):
    patches, gate = glyph.page.run(None, {"canvas": np.ascontiguousarray(canvas)[None, None]})
    keep = gate[0] >= glyph.threshold
    keep[0] |= not keep.any()
    return patches[0][keep]


def document(job):
    """(meta, vectors of the full canvas, of the smaller ones) of a page, or None."""
    import pypdfium2 as pdfium
    from pages import read_page
    from sources import visible
    path, number = job
    try:
        canvas, chars, words, _ = read_page(pdfium.PdfDocument(path)[number])
    except Exception:
        return None
    words = [w for w in words if visible(canvas, w)]
    if len(words) < 25 or sum(c == "\ufffd" for c, _ in chars) > 0.03 * len(chars):
        return None
    return dict(words=[w[0] for w in words], whole=[w[5] for w in words]), kept(canvas), np.concatenate([kept(reduced(canvas, p)) for p in PASSES.values()])


def drawn(job):
    """(readable words, vectors) of a drawn page."""
    kind, seed = job
    painter.r, painter.npr = random.Random(seed), np.random.default_rng(seed)
    canvas, words, boxes, sizes = painter.page(*KINDS[kind])
    h, w = canvas.shape
    seen = [i for i, (x0, y0, x1, y1) in enumerate(boxes) if 8.4 <= sizes[i] <= 40 and x0 > 0 and y0 > 0 and x1 < w and y1 < h and x1 - x0 < 300]
    return [words[i] for i in seen], kept(canvas)


def starts_of(vectors):
    return np.cumsum([0] + [len(v) for v in vectors])[:-1].tolist()


def single_words(pages, embed, rng, each=600):
    """Recall of one word a question, by length of the word."""
    where = collections.defaultdict(set)
    for i, (words, _) in enumerate(pages):
        for w in words:
            where[w].add(i)
    asked = [w for w in where if len(where[w]) == 1 and len(w) > 1]
    rng.shuffle(asked)
    asked = asked[:each]
    vectors = [v for _, v in pages]
    best = maxsim_scores(embed(asked), np.concatenate(vectors), starts_of(vectors))
    out = collections.defaultdict(list)
    for w, s in zip(asked, best):
        kind = "other script" if not w.isascii() else "2 to 3 characters" if len(w) < 4 else "with digits" if not w.isalpha() else "4 and more"
        r = ranks(s, where[w])
        out[kind].append(r)
        out["all"].append(r)
    return {k: dict(n=len(r), r1=round(float(np.mean([x <= 1 for x in r])), 3), r5=round(float(np.mean([x <= 5 for x in r])), 3)) for k, r in sorted(out.items())}


def main():
    ap = argparse.ArgumentParser()
    for name in ("--model", "--pdfs", "--fonts", "--vocabulary"):
        ap.add_argument(name, required=True)
    ap.add_argument("--pages", type=int, default=400), ap.add_argument("--workers", type=int, default=os.cpu_count())
    ap.add_argument("--json")
    a = ap.parse_args()
    with get_context("spawn").Pool(a.workers, start, (a.model, a.fonts, a.vocabulary)) as pool:
        pages = [p for p in pool.map(document, document_jobs(a.pdfs, a.pages, 3), chunksize=2) if p]
        sheets = {k: pool.map(drawn, [(k, n) for n in range(200)], chunksize=4) for k in KINDS}
    glyph = Glyph(a.model)
    embed = lambda words: np.concatenate([glyph.word_vectors(words[i:i + 512]) for i in range(0, len(words), 512)])
    asked, result = questions([m for m, _, _ in pages], each=400), {}
    for name, vectors in (("full", [v for _, v, _ in pages]), ("passes", [np.concatenate(p[1:]) for p in pages])):
        result[name] = table(asked, embed, np.concatenate(vectors), starts_of(vectors)) | {"kept": sum(map(len, vectors)) / len(pages)}
    for kind, made in sheets.items():
        result["drawn " + kind] = single_words(made, embed, random.Random(1)) | {"kept": sum(len(v) for _, v in made) / len(made)}
    for name, rows in result.items():
        print(f"{name}: {len(pages)} pages" if "drawn" not in name else name)
        for kind, r in rows.items():
            print("  ", kind, r if isinstance(r, dict) else round(r, 1))
    if a.json:
        with open(a.json, "w") as f:
            json.dump(result, f, indent=1)


if __name__ == "__main__":
    main()
