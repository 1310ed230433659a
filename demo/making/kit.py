"""Fonts, colours and layout shared by the demo's PDFs.

Two rules hold everywhere. Text that does not fit raises `Overflow` instead of running off the page, and nothing
here reads the clock, the locale or the system's fonts, so that a second run writes the same bytes.
"""

import io
import os

import matplotlib
from fontTools import subset
from fontTools.ttLib import TTFont as FontFile
from reportlab import rl_config
from reportlab.lib.colors import HexColor
from reportlab.lib.enums import TA_CENTER, TA_RIGHT
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Paragraph, Table, TableStyle

rl_config.invariant = 1
rl_config.useA85 = 0

FONT_DIR = os.path.join(os.path.dirname(matplotlib.__file__), "mpl-data", "fonts", "ttf")
CONDENSED_TO = 0.87

NAVY, TEAL, SAND = HexColor("#12344d"), HexColor("#1f7a8c"), HexColor("#e0a84e")
CORAL, MIST, INK = HexColor("#c8553d"), HexColor("#e8f0f3"), HexColor("#22292f")
GREY, RULE, WHITE = HexColor("#5f6b73"), HexColor("#c9d2d7"), HexColor("#ffffff")
SERIES = [TEAL, SAND, NAVY, CORAL, HexColor("#8aa8b4")]


class Overflow(Exception):
    """A column ran past its bottom: the page's text must be cut or its layout changed."""


def font_path(name):
    return os.path.join(FONT_DIR, name + ".ttf")


def condensed(name):
    """DejaVu Sans set narrower (its own condensed cut is not shipped with matplotlib), as font bytes."""
    font = FontFile(font_path(name), recalcTimestamp=False)
    options = subset.Options(hinting=False, layout_features=[], notdef_outline=True, recalc_timestamp=False)
    options.drop_tables += ["kern", "GPOS", "GSUB", "GDEF", "MATH", "FFTM"]
    wanted = subset.Subsetter(options)
    wanted.populate(unicodes=[*range(0x20, 0x180), *range(0x2010, 0x2040), 0x20AC, *range(0x2190, 0x2194), 0x2212,
                              0x2264, 0x2265, 0x2713, 0x25CF, 0x25B2, 0x25BC])
    wanted.subset(font)
    for glyph_name in font.getGlyphOrder():
        glyph = font["glyf"][glyph_name]
        if glyph.isComposite():
            for part in glyph.components:
                part.x = round(part.x * CONDENSED_TO)
        elif glyph.numberOfContours > 0:
            glyph.coordinates.scale((CONDENSED_TO, 1))
            glyph.coordinates.toInt()
        advance, left = font["hmtx"][glyph_name]
        font["hmtx"][glyph_name] = (round(advance * CONDENSED_TO), round(left * CONDENSED_TO))
    for glyph_name in font.getGlyphOrder():
        font["glyf"][glyph_name].recalcBounds(font["glyf"])
    # The font's licence asks that a changed font has another name.
    for record in font["name"].names:
        if record.nameID in (1, 3, 4, 6):
            record.string = str(record).replace("DejaVu", "QuireDemo").replace(" ", "")
    out = io.BytesIO()
    font.save(out)
    out.seek(0)
    return out


def register_fonts():
    cuts = {"Serif": ["STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "STIXGeneralBolIta"],
            "Slab": ["DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic", "DejaVuSerif-BoldItalic"],
            "Mono": ["DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSansMono-Oblique", "DejaVuSansMono-BoldOblique"]}
    endings = ["", "-Bold", "-Italic", "-BoldItalic"]
    for family, files in cuts.items():
        for ending, file in zip(endings, files):
            pdfmetrics.registerFont(TTFont(family + ending, font_path(file)))
    for ending, file in zip(endings, ["Vera", "VeraBd", "VeraIt", "VeraBI"]):
        pdfmetrics.registerFont(TTFont("Vera" + ending, file + ".ttf"))
    sans = ["DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSans-BoldOblique"]
    for ending, file in zip(endings, sans):
        pdfmetrics.registerFont(TTFont("Sans" + ending, condensed(file)))
    for family in [*cuts, "Vera", "Sans"]:
        pdfmetrics.registerFontFamily(family, *[family + ending for ending in endings])


def typeset(words):
    """Straight apostrophes set as curly ones. Double quotes stay: they delimit attributes in markup."""
    return words.replace("'", "’")


def style(font="Serif", size=10.5, leading=None, colour=INK, align="left", **more):
    alignment = {"left": 0, "centre": TA_CENTER, "right": TA_RIGHT}[align]
    return ParagraphStyle("s", fontName=font, fontSize=size, leading=leading or size * 1.38, textColor=colour,
                          alignment=alignment, **more)


def new_canvas(path, size, *, title, author, subject, keywords, date):
    """A canvas whose document carries fixed dates. `date` is YYYYMMDDhhmmss, in UTC."""
    canvas = Canvas(path if hasattr(path, "write") else str(path), pagesize=size, pageCompression=1, invariant=1,
                    initialFontName="Sans")
    canvas.setTitle(title)
    canvas.setAuthor(author)
    canvas.setSubject(subject)
    canvas.setKeywords(keywords)
    canvas.setCreator("make_documents.py")
    canvas.setDateFormatter(lambda *_now: f"D:{date}+00'00'")
    return canvas


class Column:
    """A column of flowing blocks from `top` down to `bottom`; `y` is where the next block begins."""

    def __init__(self, canvas, x, top, width, bottom):
        self.canvas, self.x, self.y, self.width, self.bottom = canvas, x, top, width, bottom

    def take(self, height, what):
        if self.y - height < self.bottom - 0.5:
            raise Overflow(f"page {self.canvas.getPageNumber()}: {what!r} needs {height:.0f} pt and "
                           f"{self.y - self.bottom:.0f} pt are left")
        self.y -= height

    def add(self, block, after=0):
        _, height = block.wrapOn(self.canvas, self.width, 10_000)
        self.take(height, getattr(block, "text", type(block).__name__)[:50])
        block.drawOn(self.canvas, self.x, self.y)
        self.y -= after
        return self

    def text(self, words, look, after=6):
        return self.add(Paragraph(typeset(words), look), after)

    def bullets(self, lines, look, after=3, mark="•"):
        hung = ParagraphStyle("b", parent=look, leftIndent=look.fontSize * 1.25, bulletIndent=0,
                              bulletFontName=look.fontName, bulletFontSize=look.fontSize)
        hung.bulletColor = look.textColor
        for line in lines:
            self.add(Paragraph(typeset(line), hung, bulletText=mark), after)
        return self

    def figure(self, height, draw, after=10):
        """Reserve `height` and call `draw(canvas, x, y, width, height)` with the lower left corner."""
        self.take(height, "figure")
        self.canvas.saveState()
        draw(self.canvas, self.x, self.y, self.width, height)
        self.canvas.restoreState()
        self.y -= after
        return self

    def skip(self, height):
        self.y -= height
        return self


def table(rows, widths, *, body=None, head=None, head_fill=NAVY, right_from=1, total=False, stripe=MIST, pad=5.4,
          extra=()):
    """A ruled table: first row the head, columns from `right_from` on set flush right, `total` makes the last bold."""
    body = body or style("Sans", 9.2, 11.8)
    head = head or style("Sans-Bold", 8.8, 11.2, WHITE)
    right = ParagraphStyle("r", parent=body, alignment=TA_RIGHT)
    head_right = ParagraphStyle("hr", parent=head, alignment=TA_RIGHT)
    last = len(rows) - 1
    cells = []
    for r, row in enumerate(rows):
        line = []
        for k, cell in enumerate(row):
            look = (head_right if k >= right_from else head) if r == 0 else (right if k >= right_from else body)
            words = typeset(f"<b>{cell}</b>" if total and r == last else str(cell))
            line.append(Paragraph(words, look))
        cells.append(line)
    rules = [("FONTNAME", (0, 0), (-1, -1), body.fontName), ("BACKGROUND", (0, 0), (-1, 0), head_fill),
             ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
             ("TOPPADDING", (0, 0), (-1, -1), pad), ("BOTTOMPADDING", (0, 0), (-1, -1), pad),
             ("LEFTPADDING", (0, 0), (-1, -1), 6), ("RIGHTPADDING", (0, 0), (-1, -1), 6),
             ("LINEBELOW", (0, 1), (-1, -1), 0.4, RULE)]
    if stripe:
        rules += [("BACKGROUND", (0, r), (-1, r), stripe) for r in range(2, len(rows), 2)]
    if total:
        rules.append(("LINEABOVE", (0, last), (-1, last), 1, NAVY))
    return Table(cells, colWidths=widths, style=TableStyle([*rules, *extra]), repeatRows=1)


def label(canvas, x, y, words, font="Sans", size=8, colour=INK, anchor="start"):
    canvas.setFont(font, size)
    canvas.setFillColor(colour)
    draw = {"start": canvas.drawString, "middle": canvas.drawCentredString, "end": canvas.drawRightString}[anchor]
    draw(x, y, typeset(words))


def arrow(canvas, x0, y0, x1, y1, colour=INK, width=1.2, head=5):
    """A straight arrow from (x0, y0) to (x1, y1)."""
    length = ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5
    dx, dy = (x1 - x0) / length, (y1 - y0) / length
    canvas.setStrokeColor(colour)
    canvas.setFillColor(colour)
    canvas.setLineWidth(width)
    canvas.line(x0, y0, x1 - dx * head, y1 - dy * head)
    tip = canvas.beginPath()
    tip.moveTo(x1, y1)
    tip.lineTo(x1 - dx * head - dy * head * 0.5, y1 - dy * head + dx * head * 0.5)
    tip.lineTo(x1 - dx * head + dy * head * 0.5, y1 - dy * head - dx * head * 0.5)
    tip.close()
    canvas.drawPath(tip, stroke=0, fill=1)


def waves(canvas, x, y, width, rows, colour, step=26, rise=7, gap=13, line=1.1):
    """Rows of wave lines: the house ornament of the ferry company."""
    canvas.setStrokeColor(colour)
    canvas.setLineWidth(line)
    for row in range(rows):
        path = canvas.beginPath()
        at, base = x - (row % 2) * step / 2, y + row * gap
        path.moveTo(at, base)
        while at < x + width:
            path.curveTo(at + step / 4, base + rise, at + step / 4, base + rise, at + step / 2, base)
            path.curveTo(at + step * 3 / 4, base - rise, at + step * 3 / 4, base - rise, at + step, base)
            at += step
        canvas.drawPath(path, stroke=1, fill=0)
