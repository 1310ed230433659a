"""The documents that benches/run.py works on.

    corpus.py FOLDER OUT.pdf PAGES     one document of so many pages, made of the folder's PDFs again and again; needs
                                       pypdfium2
"""

import shutil
import sys
from pathlib import Path

DEMO = Path(__file__).resolve().parent.parent / "demo" / "documents"
# The demo's documents have few pages: several copies make a run that is long enough to be timed.
DEMO_COPIES = 3


def gather(folder, into):
    """Copies the PDFs of `folder`, or the demo's, into a flat folder."""
    into.mkdir(parents=True)
    for number in range(1 if folder else DEMO_COPIES):
        for path in sorted((folder or DEMO).rglob("*.pdf")):
            shutil.copy(path, into / f"{number}-{len(list(into.iterdir())):04}-{path.name}")
    return into


def large(folder, out, pages):
    import pypdfium2

    made = pypdfium2.PdfDocument.new()
    sources = [pypdfium2.PdfDocument(path) for path in sorted(Path(folder).rglob("*.pdf"))]
    while len(made) < pages:
        for source in sources:
            count = min(len(source), pages - len(made))
            if count:
                made.import_pages(source, list(range(count)))
    made.save(str(out))


if __name__ == "__main__":
    large(sys.argv[1], sys.argv[2], int(sys.argv[3]))
