"""The figures of a model folder on an evaluation set made by make_eval_set.py, beside BM25 on the text layer and chance.
Where the set has scans, the pages that have one are then replaced by it, among all others, and the questions about them asked again.

    python evaluate_model.py --model models/quire-glyph --set EVAL [--json FIGURES.json]
"""
import argparse, collections, json, math, os
from multiprocessing import Pool
import numpy as np
import pypdfium2 as pdfium
from PIL import Image
from canvas import looks, smaller_looks
from evaluate import maxsim_scores, ranks
from glyph import Glyph
from words import words as split


def page_image(folder, document, scans):
    """(image, its resolution if it is a PDF page's), as Quire's renderer gives it."""
    if scans:
        return Image.open(os.path.join(folder, "scans", document[:-4] + ".jpg")), None
    path = os.path.join(folder, "documents", document)
    if not document.endswith(".pdf"):
        return Image.open(path).convert("RGB"), None
    page = pdfium.PdfDocument(path)[0]
    scale = min(150 / 72, math.sqrt(25_000_000 / math.prod(page.get_size())))
    return page.render(scale=scale).to_pil(), round(scale * 72)


def page_looks(folder, document, scans, page):
    """The looks at a page. The full one is kept in the set's folder: it is the same for every model that is tried on it."""
    kept = os.path.join(folder, "looks", f"{document}.{'scan' if scans else 'clean'}.png")
    if not os.path.exists(kept):
        os.makedirs(os.path.dirname(kept), exist_ok=True)
        image, dpi = page_image(folder, document, scans)
        Image.fromarray(looks(image, page, dpi)[0]).save(kept, compress_level=1)
    first = np.asarray(Image.open(kept))
    return [first] + smaller_looks(first, page["passes"])


def recall(rs):
    return dict(n=len(rs), r1=round(float(np.mean([r <= 1 for r in rs])), 3), r5=round(float(np.mean([r <= 5 for r in rs])), 3),
                r20=round(float(np.mean([r <= 20 for r in rs])), 3))


def bm25(pages, k1=1.2, b=0.75):
    tf = [collections.Counter(p["words"]) for p in pages]
    length = np.array([len(p["words"]) for p in pages], np.float32)
    norm = k1 * (1 - b + b * length / length.mean())
    df = collections.Counter(w for t in tf for w in t)
    posting = collections.defaultdict(list)
    for i, t in enumerate(tf):
        for w, n in t.items():
            posting[w].append((i, n))
    def score(ws):
        s = np.zeros(len(pages))
        for w in ws:
            idf = math.log(1 + (len(pages) - df[w] + 0.5) / (df[w] + 0.5))
            for i, n in posting[w]:
                s[i] += idf * n * (k1 + 1) / (n + norm[i])
        return s
    return score


class Index:
    """Vectors and sparse vectors of a list of pages, in their order."""

    def __init__(self, vectors, sparse):
        self.n = len(vectors)
        self.starts = np.cumsum([0] + [len(v) for v in vectors])[:-1].tolist()
        self.vectors, self.sparse = np.concatenate(vectors), sparse
        self.df = collections.Counter(k for s in sparse for k in s)
        self.posting = collections.defaultdict(list)
        for i, s in enumerate(sparse):
            for k, w in s.items():
                self.posting[k].append((i, w))

    def idf(self, k):
        return math.log(1 + (self.n - self.df[k] + 0.5) / (self.df[k] + 0.5))

    def prefetch(self, question):
        z = np.zeros(self.n)
        for k, w in question.items():
            for i, pw in self.posting[k]:
                z[i] += w * self.idf(k) * pw
        return z


def report(title, g, index, pages, qs, where, misses=False):
    """Ranks of every question by the model, by its anchors alone, by anchors then MaxSim of the first 100, and by BM25."""
    asked = [g.ask(q["question"])[0] for q in qs]
    vocabulary = sorted({w for ws in asked for w in ws})
    row = {w: i for i, w in enumerate(vocabulary)}
    vectors = np.concatenate([g.word_vectors(vocabulary[i:i + 512]) for i in range(0, len(vocabulary), 512)])
    best, lexical = maxsim_scores(vectors, index.vectors, index.starts), bm25(pages)
    out, worlds = collections.defaultdict(lambda: collections.defaultdict(list)), collections.defaultdict(list)
    for q, ws in zip(qs, asked):
        rel = [where[d] for d in q["relevant"] if d in where]
        s = best[[row[w] for w in ws]].sum(0)
        r = ranks(s, rel)
        out[q["kind"]]["glyph"].append(r)
        worlds[q["kind"] + " " + pages[rel[0]]["world"]].append(r)
        if misses and r > 5:
            print("miss", q["kind"], r, q["question"], q["document"])
        z = index.prefetch(g.question_sparse(vectors[[row[w] for w in ws]]))
        out[q["kind"]]["prefetch"].append(ranks(z, rel))
        head, second = np.argsort(-z, kind="stable")[:100], np.full(index.n, -1e9)
        second[head] = s[head]
        out[q["kind"]]["rerank"].append(ranks(second, rel))
        out[q["kind"]]["bm25"].append(ranks(lexical(split(q["question"])), rel))
    print(f"{title}: {index.n} pages, {len(index.vectors) / index.n:.0f} vectors and {np.mean([len(s) for s in index.sparse]):.0f} anchors a page; chance r@5 {5 / index.n:.3f}")
    figures = {}
    for kind, by in sorted(out.items()):
        figures[kind] = {k: recall(v) for k, v in by.items()}
        figures[kind]["prefetch"]["r100"] = round(float(np.mean([r <= 100 for r in by["prefetch"]])), 3)
        f = figures[kind]
        print(f"  {kind:10} n {f['glyph']['n']:4}  glyph r@1 {f['glyph']['r1']:.3f} r@5 {f['glyph']['r5']:.3f}  anchors r@100 {f['prefetch']['r100']:.3f}"
              f"  anchors+rerank r@1 {f['rerank']['r1']:.3f} r@5 {f['rerank']['r5']:.3f}  bm25 r@1 {f['bm25']['r1']:.3f} r@5 {f['bm25']['r5']:.3f}", flush=True)
    return dict(pages=index.n, vectors_a_page=len(index.vectors) / index.n, kinds=figures, worlds={k: recall(v) for k, v in sorted(worlds.items())})


def start(folder, page_graph, threshold):
    """A worker's own sessions, of one thread each."""
    global glyph
    glyph = Glyph(folder, threads=1, page_graph=page_graph)
    glyph.threshold = np.float32(threshold)


def embedded(job):
    """(vectors as the store keeps them: float16 precision, sparse vector) of one page."""
    v = glyph.looks_vectors(page_looks(*job, glyph.manifest["page"]))[0].astype(np.float16).astype(np.float32)
    return v, glyph.page_sparse(v)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--model", required=True), ap.add_argument("--set", required=True), ap.add_argument("--json")
    ap.add_argument("--page-graph", help="another page graph, e.g. the float one"), ap.add_argument("--threshold", type=float, help="of the gate")
    ap.add_argument("--workers", type=int, default=2)
    ap.add_argument("--misses", action="store_true"), ap.add_argument("--limit", type=int, help="first pages only")
    a = ap.parse_args()
    g = Glyph(a.model, page_graph=a.page_graph)
    if a.threshold is not None:
        g.threshold = np.float32(a.threshold)
    pages = json.load(open(os.path.join(a.set, "pages.json"), encoding="utf-8"))[:a.limit]
    where = {p["document"]: i for i, p in enumerate(pages)}
    qs = [q for q in map(json.loads, open(os.path.join(a.set, "questions.jsonl"), encoding="utf-8")) if q["document"] in where]

    def embed(documents, scans):
        job = [(a.set, d, scans) for d in documents]
        with Pool(a.workers, start, (a.model, a.page_graph, float(g.threshold))) as pool:
            return pool.map(embedded, job, chunksize=16)

    clean = embed(where, False)
    result = dict(clean=report("clean", g, Index(*map(list, zip(*clean))), pages, qs, where, a.misses))
    for k, v in result["clean"]["worlds"].items():
        print("   ", k, v)
    scanned = [d for d in where if os.path.exists(os.path.join(a.set, "scans", d[:-4] + ".jpg"))]
    if scanned:
        some = [q for q in qs if q["document"] in set(scanned)]
        result["clean_same_questions"] = report("clean, questions about scanned pages", g, Index(*map(list, zip(*clean))), pages, some, where)
        mixed = list(clean)
        for d, e in zip(scanned, embed(scanned, True)):
            mixed[where[d]] = e
        result["scans"] = report("scans among clean pages", g, Index(*map(list, zip(*mixed))), pages, some, where, a.misses)
    if a.json:
        json.dump(result, open(a.json, "w"), indent=1)


if __name__ == "__main__":
    main()
