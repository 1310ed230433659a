"""The words of a folder of PDFs with the number of pages that hold each: what pages are drawn from, what look-alikes are taken from, and
what the anchors are.

    python vocabulary.py PDF_FOLDER OUT.gz [--dictionary FILE.dic ...]

Words of Hunspell dictionaries are added with 0 pages (Greek and Cyrillic documents are few).
"""
import argparse, collections, glob, gzip, os, random
from multiprocessing import Pool
import pypdfium2 as pdfium
from pages import KNOWN
from words import words

PAGES_A_FILE = 300


def load(path):
    """{"latin": [...], "greek": [...], "cyrillic": [...]} of the words of letters alone, sorted; "pages": {word: pages}."""
    out = dict(latin=[], greek=[], cyrillic=[], pages={})
    with gzip.open(path, "rt", encoding="utf-8") as f:
        for line in f:
            w, n = line.rstrip("\n").split("\t")
            if int(n):
                out["pages"][w] = int(n)
            if w.isalpha() and 2 <= len(w) <= 20:
                out["latin" if w.isascii() else "greek" if "α" <= w[0] <= "ω" else "cyrillic"].append(w)
    return out


def counted(path):
    """Words of some pages of a file: {word: pages}."""
    out = collections.Counter()
    try:
        doc = pdfium.PdfDocument(path)
        for i in random.Random(1).sample(range(len(doc)), min(PAGES_A_FILE, len(doc))):
            text = doc[i].get_textpage().get_text_range()
            if text.count("\ufffd") < 5:
                out.update({w for w in words(text.replace("\ufffe", "")) if set(w) <= KNOWN})
        doc.close()
    except Exception:                                           # a damaged file has no words
        pass
    return out


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("pdfs"), ap.add_argument("out"), ap.add_argument("--dictionary", nargs="*", default=[])
    ap.add_argument("--workers", type=int, default=os.cpu_count())
    a = ap.parse_args()
    files = sorted(glob.glob(os.path.join(a.pdfs, "**", "*.pdf"), recursive=True))
    total = collections.Counter()
    with Pool(a.workers) as pool:
        for c in pool.imap_unordered(counted, files, chunksize=1):
            total.update(c)
    for path in a.dictionary:
        with open(path, encoding="utf-8", errors="ignore") as f:
            for line in f:
                for w in words(line.split("/")[0].strip()):
                    if set(w) <= KNOWN and w not in total:
                        total[w] = 0
    with gzip.open(a.out, "wt", encoding="utf-8") as f:
        f.writelines(f"{w}\t{n}\n" for w, n in sorted(total.items()))
    print(len(files), "files", len(total), "words")


if __name__ == "__main__":
    main()
