"""pypdfium2 in one process: every page of a folder of PDFs as an RGB array, at 150 dpi."""

import sys
from importlib.metadata import version
from pathlib import Path

import pypdfium2
from serve import serve

files = sorted(Path(sys.argv[1]).glob("*.pdf"))


def draw():
    sizes = []
    for file in files:
        document = pypdfium2.PdfDocument(file)
        document.init_forms()
        for page in document:
            # rev_byteorder: RGB, drawn so by PDFium; the array is the bitmap's memory, not a copy
            image = page.render(scale=150 / 72, rev_byteorder=True).to_numpy()
            sizes.append((image.shape[1], image.shape[0]))
            page.close()
        document.close()
    return sizes


sizes = draw()
facts = {
    "peer": f"pypdfium2 {version('pypdfium2')}",
    "pages": len(sizes),
    "pixels": sum(width * height for width, height in sizes),
}
serve(facts, draw)
