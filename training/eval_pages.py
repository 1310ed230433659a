"""Pages of the held-out set that are drawn on the spot, with PDFium and its own fonts: large letters, long pages, turned scans.

Their words are asked for, so they stand nowhere else: each is spliced from two words of the set's other pages.
"""
import ctypes, os, random
from typing import NamedTuple
import pypdfium2 as pdfium
import pypdfium2.raw as raw
from PIL import Image
from scan_simulation import simulate

FONTS = ["Helvetica", "Helvetica-Bold", "Helvetica-Oblique", "Times-Roman", "Times-Bold", "Times-Italic", "Courier", "Courier-Bold"]
DARK, LIGHT = [(0, 0, 0), (20, 30, 80), (90, 10, 20), (10, 70, 40), (60, 60, 60)], [(255, 255, 255), (250, 245, 230), (235, 240, 250)]
A4, A4_WIDE, WIDE, LABEL, CARD, A0 = (595, 842), (842, 595), (960, 540), (283, 142), (252, 144), (3370, 2384)


class Made(NamedTuple):
    name: str
    kind: str           # of its questions
    world: str
    words: list         # as they are asked for
    text: list          # all words on the page


def splice(vocabulary, known, rng):
    """A word that nobody wrote: the beginning of one and the end of another."""
    while True:
        a, b = rng.sample(vocabulary, 2)
        word = a[:rng.randint(3, len(a) - 1)] + b[-rng.randint(2, len(b) - 2):]
        if 5 <= len(word) <= 11 and word not in known:
            known.add(word)
            return word


class Sheet:
    """A PDF page on which lines of text are set."""

    def __init__(self, size, rng, paper=None):
        self.document = pdfium.PdfDocument.new()
        self.page, self.size = self.document.new_page(*size), size
        self.face = rng.choice(FONTS)
        self.font = raw.FPDFText_LoadStandardFont(self.document, self.face.encode())
        if paper and paper != (255, 255, 255):
            self.box(0, 0, *size, paper)

    def box(self, x, y, w, h, colour):
        box = raw.FPDFPageObj_CreateNewRect(x, self.size[1] - y - h, w, h)
        raw.FPDFPageObj_SetFillColor(box, *colour, 255)
        raw.FPDFPath_SetDrawMode(box, raw.FPDF_FILLMODE_ALTERNATE, False)
        raw.FPDFPage_InsertObject(self.page, box)

    def line(self, text, x, y, size, colour=(0, 0, 0), most=None):
        """Sets a line whose top is y points below the page's; smaller, if it is wider than `most`. Returns its size."""
        def made(size):
            line = raw.FPDFPageObj_CreateTextObj(self.document, self.font, size)
            data = (text + "\0").encode("utf-16-le")
            raw.FPDFText_SetText(line, ctypes.cast(ctypes.create_string_buffer(data), ctypes.POINTER(ctypes.c_ushort)))
            edges = [ctypes.c_float() for _ in range(4)]
            raw.FPDFPageObj_GetBounds(line, *edges)
            return line, edges[2].value
        line, width = made(size)
        if most and width > most:
            raw.FPDFPageObj_Destroy(line)
            size *= most / width
            line, _ = made(size)
        raw.FPDFPageObj_SetFillColor(line, *colour, 255)
        raw.FPDFPageObj_Transform(line, 1, 0, 0, 1, x, self.size[1] - y - size * 0.8)
        raw.FPDFPage_InsertObject(self.page, line)
        return size

    def lines(self, words, x, y, size, until, width, colour=(0, 0, 0)):
        """Sets words in lines of about `width` points down to `until`. Returns the words that found room."""
        count, out = max(1, int(width / (size * 3.6))), []
        while y + size < until and words:
            row, words = words[:count], words[count:]
            self.line(" ".join(row), x, y, size, colour, width)
            y += size * 1.35
            out += row
        return out

    def finish(self):
        raw.FPDFPage_GenerateContent(self.page)
        return self.document

    def image(self, dpi):
        raw.FPDFPage_GenerateContent(self.page)
        return self.page.render(scale=dpi / 72).to_pil()


def large(number, asked, common, rng, out):
    """Letters that are large for their page."""
    world = ("title", "cover", "slide", "card", "label", "snip")[number % 6]
    paper = rng.choice(LIGHT)
    ink, some = rng.choice(DARK), rng.sample(common, 60)
    if rng.random() < 0.2:
        paper, ink = ink, (255, 255, 255)
    body = []
    if world == "title":
        sheet, size = Sheet(A4, rng, paper), rng.uniform(40, 72)
        for n, w in enumerate(asked):
            sheet.line(w, 50, 60 + n * size * 1.3, size, ink, 500)
        body = sheet.lines(some, 50, 80 + len(asked) * size * 1.3, 11, 780, 480, ink)
    elif world == "cover":
        sheet, size = Sheet(rng.choice([A4, A4_WIDE]), rng, paper), rng.uniform(44, 84)
        for n, w in enumerate(asked):
            sheet.line(w, 60, sheet.size[1] / 3 + n * size * 1.25, size, ink, sheet.size[0] - 110)
        body = sheet.lines(some[:5], 60, sheet.size[1] - 80, 14, sheet.size[1] - 40, 400, ink)
    elif world == "slide":
        sheet, size, band = Sheet(WIDE, rng, paper), rng.uniform(44, 66), rng.random() < 0.4
        if band:
            sheet.box(0, 0, 960, 120, rng.choice(DARK))
        sheet.line(" ".join(asked), 50, 30, size, (255, 255, 255) if band else ink, 860)
        body = sheet.lines(some[:rng.choice([0, 12, 20])], 70, 170, rng.uniform(24, 32), 500, 800, ink)
    elif world in ("card", "label"):
        sheet = Sheet(CARD if world == "card" else LABEL, rng, paper)
        sheet.line(asked[0] + " " + asked[1], 18, 24, rng.uniform(12, 18), ink, sheet.size[0] - 36)
        sheet.line(asked[2], 18, 56, rng.uniform(8, 12) if world == "card" else rng.uniform(16, 34), ink, sheet.size[0] - 36)
        body = sheet.lines(some[:6], 18, 104, 8, 136, sheet.size[0] - 40, ink)
    else:
        width, height = rng.randint(200, 400), rng.randint(60, 160)
        sheet = Sheet((width * 0.75, height * 0.75), rng, paper)
        size = rng.uniform(8.5, 14)
        sheet.line(" ".join(asked[:2]), 7, 6, size, ink, width * 0.75 - 12)
        sheet.line(" ".join(asked[2:] + some[:1]), 7, 6 + size * 1.5, size, ink, width * 0.75 - 12)
        name = f"large--{world}-{number:03d}.png"
        sheet.image(96).save(os.path.join(out, name))
        return Made(name, "large", world, asked, asked + some[:1])
    name = f"large--{world}-{number:03d}.pdf"
    sheet.finish().save(os.path.join(out, name))
    return Made(name, "large", world, asked, asked + body)


def long(number, asked, common, rng, out):
    """Pages that are too long or too large to be fitted into one canvas."""
    world = ("receipt", "chat", "timeline", "drawing")[number % 4]
    some = [rng.choice(common) for _ in range(1500)]
    if world == "receipt":
        sheet = Sheet((216, rng.randint(3000, 7200)), rng)
        at, body = rng.uniform(0.2, 0.9) * sheet.size[1], []
        body += sheet.lines(some, 12, 20, 8, at, 190)
        for n, w in enumerate(asked):
            sheet.line(w, 12, at + 12 + n * 12, 9)
        body += sheet.lines(some[700:], 12, at + 60, 8, sheet.size[1] - 20, 190)
    elif world == "drawing":
        sheet, body = Sheet(A0, rng), []
        for _ in range(60):
            x, y = rng.uniform(50, 3000), rng.uniform(50, 2300)
            sheet.box(x, y, rng.uniform(40, 300), 0.8, (0, 0, 0))
            sheet.line(w := rng.choice(common), x, y + 4, rng.uniform(10, 14))
            body.append(w)
        sheet.line(" ".join(asked), rng.uniform(100, 2900), rng.uniform(100, 2250), 10)
    else:
        tall = world == "chat"
        sheet = Sheet((405, rng.randint(3000, 5200)) if tall else (rng.randint(2500, 4800), 420), rng)
        body, steps = [], int(max(sheet.size) / 120)
        for n in range(steps):
            x, y = (rng.choice([16, 90]), n * 120 + 20) if tall else (n * 120 + 10, rng.uniform(20, 340))
            sheet.box(x - 4, y - 4, 290 if tall else 108, 70, (228, 236, 244))
            words = asked if n == steps * 2 // 3 else [rng.choice(common) for _ in range(8 if tall else 3)]
            if tall:
                body += sheet.lines(words, x, y, 12, y + 68, 270)
            else:
                for row, w in enumerate(words[:3]):
                    sheet.line(w, x, y + row * 15, 11, most=100)
        name = f"long--{world}-{number:03d}.png"
        sheet.image(192).quantize(16).save(os.path.join(out, name), optimize=True)
        return Made(name, "long", world, asked, asked + body)
    name = f"long--{world}-{number:03d}.pdf"
    sheet.finish().save(os.path.join(out, name))
    return Made(name, "long", world, asked, asked + body)


def turned(number, asked, common, rng, out):
    """Scans that were laid on their side or head, and tables set sideways."""
    turn = (90, 180, 270)[number % 3]
    world = f"scan {turn}" if number % 4 else f"table {turn}"
    some, sheet = [rng.choice(common) for _ in range(400)], Sheet(A4, rng)
    at = rng.uniform(150, 700)
    body = sheet.lines(some, 60, 60, 11, at, 470)
    sheet.line(" ".join(asked), 60, at + 12, 12, most=470)
    body += sheet.lines(some[200:], 60, at + 40, 11, 790, 470)
    image = simulate(sheet.image(200), f"turned {number}") if number % 4 else sheet.image(150).convert("L")
    image = image.transpose({90: Image.ROTATE_90, 180: Image.ROTATE_180, 270: Image.ROTATE_270}[turn])
    name = f"turned--{world.replace(' ', '-')}-{number:03d}.jpg"
    image.convert("L").save(os.path.join(out, name), quality=60)
    return Made(name, "turned", world, asked, asked + body)


def make(vocabulary, common, out, counts):
    """Draws the pages into a folder. `vocabulary`: words to splice from; `common`: words that may stand beside; `counts`: pages of each kind."""
    rng, known, made = random.Random(20261126), set(vocabulary) | set(common), []
    for draw, count in zip((large, long, turned), counts):
        for number in range(count):
            asked = [splice(vocabulary, known, rng) for _ in range(3)]
            made.append(draw(number, asked, common, rng, out))
    return made
