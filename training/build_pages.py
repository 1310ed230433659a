"""PDFs -> shards of training pages (canvas, character map, words with boxes), so that the training loop never renders.

    python build_pages.py PDF_FOLDER SHARD_FOLDER --pages-per-package 40 --workers 2
"""
import argparse, hashlib, os, pickle, random, sys, warnings
from multiprocessing import Process
import numpy as np
import pypdfium2 as pdfium
from pages import read_page, label_map

SHARD = 64
MANY = {"texlive-latex-extra-doc": 16, "texlive-pictures-doc": 4, "texlive-latex-base-doc": 4, "texlive-latex-recommended-doc": 3,
        "texlive-lang-french": 2, "texlive-lang-german": 2, "texlive-lang-cyrillic": 2, "synthetic": 40, "printed": 20}


def chosen(root, per_package, seed):
    """(package, pdf path, page index, direct) of every page to read, shuffled: pages spread over a package's files."""
    rng, out = random.Random(seed), []
    for package in sorted(os.listdir(root)):
        folder = os.path.join(root, package)
        files = sorted(f for f in os.listdir(folder) if f.endswith(".pdf"))
        rng.shuffle(files)
        want = per_package * MANY.get(package, 1)
        if not files:
            continue
        each, left = max(1, -(-want // len(files))), want
        for f in files:
            if left <= 0:
                break
            path = os.path.join(folder, f)
            try:
                doc = pdfium.PdfDocument(path)
                n = len(doc)
                doc.close()
            except Exception:
                continue
            # not the first page when there is a choice: titles are poor in words
            pick = rng.sample(range(1 if n > 3 else 0, n), min(each, n - (1 if n > 3 else 0)))
            for p in pick[:left]:
                out.append((package, path, p, rng.random() < 0.6))
            left -= len(pick)
    rng.shuffle(out)
    return out


def visible(canvas, w):
    """Whether a word's box shows something: text layers hold invisible and clipped words too."""
    h, wd = canvas.shape
    x0, x1, y0, y1 = (int(max(v, 0)) for v in (w[1], w[3] + 1, w[2], w[4] + 1))
    part = canvas[y0:min(y1, h), x0:min(x1, wd)]
    return part.size > 0 and int(part.max()) - int(part.min()) > 40


def work(job, out, tag):
    canvases, maps, metas, n = [], [], [], 0
    def flush():
        nonlocal canvases, maps, metas, n
        base = os.path.join(out, f"{tag}-{n:03d}")
        np.save(base + "-canvas.npy", np.stack(canvases))
        np.save(base + "-map.npy", np.stack(maps))
        with open(base + "-meta.tmp", "wb") as f:
            pickle.dump(metas, f)
        os.rename(base + "-meta.tmp", base + "-meta.pkl")     # the meta file last: its presence says the shard is whole
        canvases, maps, metas, n = [], [], [], n + 1
    for package, path, p, direct in job:
        try:
            doc = pdfium.PdfDocument(path)
            got = read_page(doc[p], direct)
            doc.close()
        except Exception as e:
            print("skip", path, p, e, file=sys.stderr)
            continue
        if got is None:
            continue
        canvas, chars, ws, _ = got
        bad = sum(c == "\ufffd" or 0xE000 <= ord(c) < 0xF900 for c, _ in chars)
        ws = [w for w in ws if visible(canvas, w)]
        if len(ws) < 20 or bad > 0.03 * len(chars):
            continue
        canvases.append(canvas.reshape(-1))
        maps.append(label_map(chars, canvas.shape).reshape(-1))
        metas.append(dict(package=package, file=os.path.basename(path), page=p, shape=canvas.shape,
                          words=[w[0] for w in ws], boxes=np.array([w[1:5] for w in ws], np.float32),
                          whole=np.array([w[5] for w in ws], bool)))
        if len(metas) == SHARD:
            flush()
    if metas:
        flush()


if __name__ == "__main__":
    ap = argparse.ArgumentParser()
    ap.add_argument("pdfs"), ap.add_argument("out")
    ap.add_argument("--pages-per-package", type=int, default=40)
    ap.add_argument("--workers", type=int, default=2)
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--tag", default="s")
    a = ap.parse_args()
    os.makedirs(a.out, exist_ok=True)
    job = chosen(a.pdfs, a.pages_per_package, a.seed)
    print(len(job), "pages chosen", flush=True)
    ps = [Process(target=work, args=(job[i::a.workers], a.out, f"{a.tag}{i}")) for i in range(a.workers)]
    [p.start() for p in ps]
    [p.join() for p in ps]
    print("done", flush=True)
