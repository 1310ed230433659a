"""A folder of PDFs -> one that travels: the documents of every package that have the most pages for their bytes.

    python pack.py PDF_FOLDER OUT --megabytes 24
"""
import argparse, glob, os, shutil
import pypdfium2 as pdfium

SHARE = 0.04                # of the whole, at most, to one package
MOST_BYTES = 450_000        # of a document: many kinds of page are worth more than many pages


def documents(folder):
    """[(bytes a page, bytes, path, pages)] of a package's readable documents, the thriftiest first."""
    out = []
    for path in sorted(glob.glob(os.path.join(folder, "*.pdf"))):
        try:
            doc = pdfium.PdfDocument(path)
            n = len(doc)
            doc.close()
        except Exception:
            continue
        if n:
            size = os.path.getsize(path)
            out.append((size / n, size, path, n))
    return sorted(out)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("pdfs"), ap.add_argument("out"), ap.add_argument("--megabytes", type=float, default=24)
    a = ap.parse_args()
    budget, packages = a.megabytes * 1e6, [documents(d) for d in sorted(glob.glob(os.path.join(a.pdfs, "*")))]
    total, pages, n, spent = 0, 0, 0, [0] * len(packages)
    shutil.rmtree(a.out, ignore_errors=True)
    os.makedirs(a.out)
    while any(packages):                                        # one document of every package in turn
        for i, docs in enumerate(packages):
            if not docs:
                continue
            each, size, path, count = docs.pop(0)
            if each > 60_000 or size > MOST_BYTES or total + size > budget or spent[i] + size > SHARE * budget:
                continue
            package = os.path.basename(os.path.dirname(path))
            shutil.copy(path, os.path.join(a.out, f"{package}--{os.path.basename(path)}"))
            total, pages, n, spent[i] = total + size, pages + count, n + 1, spent[i] + size
    print(f"{n} documents, {pages} pages, {total / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
