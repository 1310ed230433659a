"""Small PDFs of this folder's own making: every one is another, has real words on it, and can be asked for.

    papers.py FOLDER 100      writes so many into a folder, to look at

Needs nothing beside the standard library.
"""

import random
import sys
from pathlib import Path

SUBJECTS = ["pump", "ferry", "bridge", "invoice", "boiler", "tide gauge", "harbour light", "crane", "survey", "warranty"]
WORDS = (
    "the of inspection report pressure valve crew harbour delivery account repaired measured northern station weekly schedule "
    "contract replaced corrosion supplier manual depth passengers engine budget signed annual temperature notice repair cable"
).split()
WIDTH, HEIGHT = 595, 842  # points
LINES = 32


def pdf(objects):
    """A file of these objects (numbered from 1, the first one the catalogue), with a correct cross-reference table."""
    file = bytearray(b"%PDF-1.7\n")
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(file))
        file += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    start = len(file)
    file += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    for offset in offsets:
        file += b"%010d 00000 n \n" % offset
    file += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(file)


def stream(content, entries=b""):
    return b"<< /Length %d %s >>\nstream\n" % (len(content), entries) + content + b"\nendstream"


def of_contents(contents):
    """A document whose pages are drawn by these content streams."""
    kids = b" ".join(b"%d 0 R" % (4 + 2 * index) for index in range(len(contents)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, len(contents)),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for index, content in enumerate(contents):
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Resources << /Font << /F 3 0 R >> >> /Contents %d 0 R >>"
            % (WIDTH, HEIGHT, 5 + 2 * index)
        )
        objects.append(stream(content))
    return pdf(objects)


def fact(number):
    """What stands on the first page of paper `number`, and on no other: something to ask for."""
    return f"{SUBJECTS[number % len(SUBJECTS)].capitalize()} {number:06} was inspected by crew {number * 7919 % 10007}"


def paper(number, pages=1):
    """Always the same bytes for the same number."""
    chance = random.Random(number)
    contents = []
    for page in range(1, pages + 1):
        lines = [f"{fact(number)}.", f"Page {page} of {pages}."]
        lines += [" ".join(chance.choices(WORDS, k=10)) + "." for _ in range(chance.randint(LINES // 3, LINES))]
        text = " ".join(f"({line}) Tj T*" for line in lines)
        left, bottom, width, height = (chance.randint(20, 200) for _ in range(4))
        shade = chance.random()
        drawn = f"{shade:.2f} g {left} {bottom} {width} {height} re f 0 g BT /F 11 Tf 16 TL 60 780 Td {text} ET"
        contents.append(drawn.encode())
    return of_contents(contents)


def poison(levels=7, times=12):
    """A page that no renderer ever finishes: forms that draw forms, `times` to the power of `levels` of them."""
    first_form = 4
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /XObject << /X %d 0 R >> >> /Contents %d 0 R >>"
        % (first_form, first_form + levels),
    ]
    for level in range(levels):
        deeper = b"/XObject << /X %d 0 R >>" % (first_form + level + 1) if level + 1 < levels else b""
        content = b"/X Do " * times if deeper else b"0 0 500 500 re f " * times
        entries = b"/Type /XObject /Subtype /Form /BBox [0 0 595 842] /Resources << %s >>" % deeper
        objects.append(stream(content, entries))
    return pdf([*objects, stream(b"/X Do")])


class Papers:
    """Documents one after the other: papers of this file's own, or copies of the PDFs of a folder, each made another one."""

    def __init__(self, pdfs=None):
        self.real = sorted(Path(pdfs).rglob("*.pdf")) if pdfs else []
        if pdfs and not self.real:
            sys.exit(f"{pdfs} holds no PDF")

    def name(self, number):
        return f"{number:06}-{self.real[number % len(self.real)].name}" if self.real else f"{number:06}.pdf"

    def bytes(self, number):
        """Every third paper has two pages, every seventh three."""
        if self.real:
            # What stands behind the end of a file belongs to its bytes, and to nothing that is drawn.
            return self.real[number % len(self.real)].read_bytes() + b"\n%% %d\n" % number
        return paper(number, 3 if number % 7 == 0 else 2 if number % 3 == 0 else 1)


if __name__ == "__main__":
    into = Path(sys.argv[1])
    into.mkdir(parents=True, exist_ok=True)
    papers = Papers()
    for at in range(int(sys.argv[2])):
        (into / papers.name(at)).write_bytes(papers.bytes(at))
    (into / "poison.pdf").write_bytes(poison())
