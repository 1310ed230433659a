"""The held-out evaluation set: single-page PDFs of packages never trained on, and questions whose answers are known.

    python make_eval_set.py --out EVAL --cache CACHE [--scans] [--chromium chromium]

Writes EVAL/documents/*.pdf (one page each; with --scans also EVAL/scans/*.jpg: the same pages as simulated 300-dpi scans),
EVAL/questions.jsonl with {"question", "kind", "document", "page", "relevant"} and EVAL/pages.json. `document` is the page the
question was made from, `relevant` every document on which all its words (or the phrase) stand: a hit on any of them counts.
kinds: words3to6, phrase9, single, short (three letters, numbers, codes), accent (3 to 6 rare words with accents), hand, and those of pages
that eval_pages.py draws: large (titles, covers, slides, cards, labels, snips), long (receipts, chats, timelines, drawings), turned (scans and tables
on their side or head).

Without Chromium the `html` packages are left out (the set then has fewer worlds; the figures say so)."""
import argparse, glob, json, os, random, re, shutil, subprocess, sys, unicodedata
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
import numpy as np
import pypdfium2 as pdfium
import eval_pages
from evaluate import questions, whole
from fetch_packages import collect, names
from pages import read_page
from scan_simulation import simulate

HERE = os.path.dirname(os.path.abspath(__file__))
CAP = {"texlive-publishers-doc": 170, "texlive-humanities-doc": 110, "texlive-science-doc": 170, "texlive-lang-polish": 60,
       "texlive-lang-other": 70}
PER_PACKAGE, PER_HTML = 45, 26      # pages a package, HTML files a package (two pages of each at most)
DRAWN = (240, 40, 60)               # pages with large letters, long pages, turned pages
HTML = (".html", ".html.fr.utf8", ".html.de", ".html.es", ".html.fr", ".html.tr.utf8")


def print_html(cache, package, chromium, rng):
    """HTML files of a package -> PDFs in cache/printed/<package>/, printed by a browser."""
    out = os.path.join(cache, "printed", package)
    if os.path.isdir(out):
        return
    os.makedirs(out)
    files = [f for f in sorted(glob.glob(os.path.join(cache, "html", package, "*"))) if 4000 < os.path.getsize(f) < 120_000]
    for n, f in enumerate(rng.sample(files, min(PER_HTML, len(files)))):
        page = os.path.join(out, f"{n:03d}.html")
        shutil.copy(f, page)
        subprocess.run([chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer",
                        f"--print-to-pdf={out}/{n:03d}.pdf", "file://" + os.path.abspath(page)], stderr=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, timeout=120)
        os.remove(page)


def candidates(cache, chromium, rng):
    """[(package, world, pdf path, page index)] in a fixed order."""
    out = []
    for package, world in names(os.path.join(HERE, "packages-heldout.txt")):
        if world == "html":
            if not chromium:
                continue
            collect(package, os.path.join(cache, "html"), HTML)
            print_html(cache, package, chromium, rng)
            files, cap, world = sorted(glob.glob(os.path.join(cache, "printed", package, "*.pdf"))), 2 * PER_HTML, "browser"
        else:
            collect(package, os.path.join(cache, "pdf"), (".pdf",))
            files, cap = sorted(glob.glob(os.path.join(cache, "pdf", package, "*.pdf"))), CAP.get(package, PER_PACKAGE)
        rng.shuffle(files)
        each, left = max(1, -(-cap // max(1, len(files)))), cap
        for f in files:
            try:
                doc = pdfium.PdfDocument(f)
                n = len(doc)
                doc.close()
            except Exception:
                continue
            first = 1 if n > 3 else 0
            pick = rng.sample(range(first, n), min(each, n - first))[:max(left, 0)]
            out += [(package, world, f, p) for p in pick]
            left -= len(pick)
    return out


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--out", required=True), ap.add_argument("--cache", required=True)
    ap.add_argument("--scans", action="store_true", help="write the pages as scans too"), ap.add_argument("--chromium", default=shutil.which("chromium"))
    ap.add_argument("--each", type=int, default=500, help="questions of a kind")
    a = ap.parse_args()
    rng = random.Random(20260101)
    for d in ("documents", "scans"):
        os.makedirs(os.path.join(a.out, d), exist_ok=True)
    pages, skipped = [], Counter()
    for package, world, path, p in candidates(a.cache, a.chromium, rng):
        try:
            doc = pdfium.PdfDocument(path)
            got = read_page(doc[p])
        except Exception:
            got = None
        if got is None or len(got[2]) < 25 or sum(c == "\ufffd" or 0xE000 <= ord(c) < 0xF900 for c, _ in got[1]) > 0.03 * len(got[1]):
            skipped[package] += 1
            continue
        canvas, chars, ws, _ = got
        ws = [w for w in ws if seen(canvas, w)]
        text = "".join(c for c, _ in chars)
        name = f"{package}--{os.path.splitext(os.path.basename(path))[0]}--{p + 1}.pdf"
        one = pdfium.PdfDocument.new()
        one.import_pages(doc, [p])
        one.save(os.path.join(a.out, "documents", name))
        pages.append(dict(document=name, package=package, world=world, words=[w[0] for w in ws], whole=[bool(w[5]) for w in ws],
                          accents=sorted(accented(text))))
        doc.close()
    # a text layer with a broken encoding gives words that no other page has: leave such pages out
    df = Counter(w for m in pages for w in set(m["words"]))
    good = [m for m in pages if np.mean([df[w] > 1 for w in set(m["words"])]) > 0.35]
    bad = {m["document"] for m in pages} - {m["document"] for m in good}
    for d in bad:
        os.remove(os.path.join(a.out, "documents", d))
    pages = good
    rows = asked(pages, a.each)
    drawn = draw(pages, os.path.join(a.out, "documents"))
    rows += [dict(question=" ".join(m.words), kind=m.kind, document=m.name, page=1, relevant=[m.name]) for m in drawn]
    with open(os.path.join(a.out, "questions.jsonl"), "w", encoding="utf-8") as f:
        f.writelines(json.dumps(r, ensure_ascii=False) + "\n" for r in rows)
    with open(os.path.join(a.out, "pages.json"), "w", encoding="utf-8") as f:
        json.dump(pages + [dict(document=m.name, package="drawn", world=m.world, words=m.text, whole=[True] * len(m.text), accents=[]) for m in drawn],
                  f, ensure_ascii=False)
    if a.scans:
        for m in drawn:             # they stand among the scans as they are
            shutil.copy(os.path.join(a.out, "documents", m.name), os.path.join(a.out, "scans", m.name))
        with ProcessPoolExecutor() as workers:
            list(workers.map(write_scan, [a.out] * len(pages), [m["document"] for m in pages]))
    print(len(pages), "pages", dict(Counter(m["world"] for m in pages)), dict(Counter(r["kind"] for r in rows)))


def draw(pages, folder):
    """Pages with words that stand nowhere else, among words that stand on many."""
    df = Counter(w for m in pages for w in set(m["words"]) if w.isascii() and w.isalpha())
    vocabulary = sorted(w for w in df if 6 <= len(w) <= 12)
    common = sorted(w for w, n in df.items() if n > max(3, len(pages) // 100) and len(w) >= 3)
    return eval_pages.make(vocabulary, common, folder, DRAWN)


def write_scan(out, document):
    """OUT/documents/DOCUMENT's page -> a scan of it in OUT/scans."""
    path = os.path.join(out, "scans", document[:-4] + ".jpg")
    if not os.path.exists(path):
        page = pdfium.PdfDocument(os.path.join(out, "documents", document))[0]
        scan = simulate(page.render(scale=300 / 72).to_pil(), document).convert("L")
        scan.save(path + ".part", "JPEG", quality=40)
        os.rename(path + ".part", path)


def asked(pages, each):
    """Questions about the pages, as written to questions.jsonl."""
    qs = questions(pages, seed=7, each=each)
    qs += accent_questions(pages, random.Random(8), 200)
    rows = [dict(question=" ".join(ws), kind=kind, document=pages[min(rel)]["document"], page=1,
                 relevant=[pages[r]["document"] for r in sorted(rel)]) for kind, ws, rel in qs if rel]
    known = {m["document"] for m in pages}
    for line in open(os.path.join(HERE, "hand-questions.jsonl"), encoding="utf-8"):
        h = json.loads(line)
        if h["document"] in known:
            rows.append(dict(question=h["question"], kind="hand", document=h["document"], page=1, relevant=[h["document"]]))
        else:
            print("hand question left out, its page is not in the set:", h["document"], file=sys.stderr)
    return rows


def seen(canvas, w):
    h, wd = canvas.shape
    part = canvas[int(max(w[2], 0)):int(min(w[4] + 1, h)), int(max(w[1], 0)):int(min(w[3] + 1, wd))]
    return part.size > 0 and int(part.max()) - int(part.min()) > 40


def accented(text):
    """Words of a text that carry a combining mark."""
    from words import words
    return {words(t)[0] for t in re.findall(r"[^\W\d_]{4,}", unicodedata.normalize("NFC", text))
            if any(unicodedata.combining(c) for c in unicodedata.normalize("NFKD", t)) and words(t)}


def accent_questions(pages, rng, each):
    df = Counter(w for m in pages for w in set(m["words"]))
    pool = [(i, [w for w in m["accents"] if w in standing and w.isascii() and w.isalpha() and df[w] <= max(3, len(pages) // 100)])
            for i, (m, standing) in enumerate((m, whole(m)) for m in pages)]
    pool = [(i, ws) for i, ws in pool if len(ws) >= 3]
    out = []
    for n in range(each if pool else 0):
        i, ws = pool[n % len(pool)]
        q = rng.sample(ws, rng.randint(3, min(6, len(ws))))
        out.append(("accent", q, {j for j, m in enumerate(pages) if set(q) <= set(m["words"])}))
    return out


if __name__ == "__main__":
    main()
