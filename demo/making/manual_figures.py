"""The drawings of the instrument manual. Each draws in the box whose lower left corner is (x, y)."""

import random

from reportlab.lib.colors import HexColor

from .charts import grid
from .kit import GREY, INK, RULE, WHITE, arrow, label

ORANGE, COAL, PALE, STEEL = HexColor("#c9571a"), HexColor("#2b3138"), HexColor("#f6efe8"), HexColor("#aab4bb")
SEA = HexColor("#cfe3ea")


def shape(c, points, fill, stroke=None):
    path = c.beginPath()
    path.moveTo(*points[0])
    for point in points[1:]:
        path.lineTo(*point)
    path.close()
    c.setFillColor(fill)
    if stroke:
        c.setStrokeColor(stroke)
    c.drawPath(path, stroke=1 if stroke else 0, fill=1)


def gauge(c, x, y, size, beam=True):
    """The instrument from the side: housing, flange, horn and, where asked for, its beam."""
    c.saveState()
    c.translate(x, y)
    c.scale(size, size)
    if beam:
        shape(c, [(36, 56), (64, 56), (92, -34), (8, -34)], HexColor("#3d4650"))
        for k in range(4):
            c.setStrokeColor(ORANGE)
            c.setLineWidth(1.4)
            c.arc(50 - 16 - k * 6, 40 - 20 * k, 50 + 16 + k * 6, 40 - 20 * k + 16, 200, 140)
    shape(c, [(30, 62), (70, 62), (58, 98), (42, 98)], STEEL)
    c.setFillColor(HexColor("#88939b"))
    c.rect(8, 98, 84, 9, stroke=0, fill=1)
    for k in (14, 78):
        c.setFillColor(HexColor("#5c666e"))
        c.rect(k, 107, 8, 5, stroke=0, fill=1)
    c.setFillColor(HexColor("#e6eaec"))
    c.roundRect(24, 107, 52, 66, 6, stroke=0, fill=1)
    c.setFillColor(ORANGE)
    c.rect(24, 146, 52, 9, stroke=0, fill=1)
    c.setFillColor(COAL)
    c.roundRect(33, 116, 34, 20, 2, stroke=0, fill=1)
    label(c, 50, 123, "3.418 m", "Mono-Bold", 6.6, HexColor("#9fe0a8"), "middle")
    c.setFillColor(HexColor("#88939b"))
    c.rect(46, 173, 8, 9, stroke=0, fill=1)
    c.restoreState()


def _block(c, x, y, w, h, words, fill=WHITE, ink=COAL):
    c.setStrokeColor(COAL)
    c.setLineWidth(1)
    c.setFillColor(fill)
    c.roundRect(x, y, w, h, 4, stroke=1, fill=1)
    for k, line in enumerate(words):
        label(c, x + w / 2, y + h / 2 + (len(words) - 1) * 6 - k * 12.5 - 3.5, line, "Sans-Bold" if k == 0 else "Sans",
              9.6 if k == 0 else 8.6, ink, "middle")


def blocks(c, x, y, w, h):
    c.setFillColor(PALE)
    c.roundRect(x, y, w, h, 6, stroke=0, fill=1)
    top, mid, low = y + h - 66, y + h - 132, y + 16
    _block(c, x + 18, mid, 84, 46, ["Horn antenna", "8 degrees"], STEEL)
    _block(c, x + 136, top, 94, 46, ["Transmitter", "80 GHz sweep"])
    _block(c, x + 136, mid, 94, 46, ["Receiver", "mixer, filter"])
    _block(c, x + 264, mid, 94, 46, ["Processor", "distance, waves"], ORANGE, WHITE)
    _block(c, x + 264, top, 94, 46, ["Clock", "lithium cell"])
    _block(c, x + 264, low, 94, 40, ["Log", "8 GB"])
    _block(c, x + 392, top, 90, 46, ["Modbus", "RS-485"])
    _block(c, x + 392, mid, 90, 46, ["4–20 mA", "analogue"])
    _block(c, x + 392, low, 90, 40, ["Alarm relay", "opens on error"])
    _block(c, x + 18, low, 212, 40, ["Supply unit PS-24", "12 to 30 V DC, surge protection 10 kA"], STEEL)
    arrow(c, x + 136, top + 23, x + 60, mid + 47, COAL)
    arrow(c, x + 102, mid + 23, x + 135, mid + 23, COAL)
    arrow(c, x + 230, mid + 23, x + 263, mid + 23, COAL)
    arrow(c, x + 311, top, x + 311, mid + 47, COAL)
    arrow(c, x + 311, mid, x + 311, low + 41, COAL)
    arrow(c, x + 230, low + 20, x + 263, low + 20, COAL)
    arrow(c, x + 358, mid + 23, x + 391, mid + 23, COAL)
    arrow(c, x + 358, mid + 38, x + 391, top + 14, COAL)
    arrow(c, x + 358, mid + 8, x + 391, low + 28, COAL)


def _callout(c, number, x, y, to_x, to_y):
    c.setStrokeColor(ORANGE)
    c.setLineWidth(1)
    c.line(x, y, to_x, to_y)
    c.setFillColor(ORANGE)
    c.circle(to_x, to_y, 2, stroke=0, fill=1)
    c.circle(x, y, 10, stroke=0, fill=1)
    label(c, x, y - 3.8, str(number), "Vera-Bold", 10.5, WHITE, "middle")


def panel(c, x, y, w, h):
    left, low, wide, high = x + 62, y + 8, w - 124, h - 16
    c.setFillColor(HexColor("#dfe4e7"))
    c.setStrokeColor(COAL)
    c.setLineWidth(1.6)
    c.roundRect(left, low, wide, high, 12, stroke=1, fill=1)
    for dx in (14, wide - 14):
        for dy in (14, high - 14):
            c.setFillColor(STEEL)
            c.setLineWidth(0.8)
            c.circle(left + dx, low + dy, 5, stroke=1, fill=1)
            c.line(left + dx - 3, low + dy - 3, left + dx + 3, low + dy + 3)
    label(c, left + wide / 2, low + high - 26, "BRIGHTWATER  PS-24", "Vera-Bold", 11, COAL, "middle")
    c.setFillColor(HexColor("#16241c"))
    c.roundRect(left + 30, low + 126, 186, 104, 6, stroke=1, fill=1)
    green = HexColor("#a6eab0")
    label(c, left + 44, low + 194, "3.418 m", "Mono-Bold", 27, green)
    label(c, left + 44, low + 166, "WAVES 0.32 m", "Mono", 12.5, green)
    label(c, left + 44, low + 144, "OK  14:06:22 UTC", "Mono", 12.5, green)
    c.setFillColor(HexColor("#3fae5a"))
    c.circle(left + 262, low + 214, 10, stroke=1, fill=1)
    label(c, left + 262, low + 190, "ECHO", "Vera-Bold", 8.5, COAL, "middle")
    c.setFillColor(COAL)
    c.circle(left + 318, low + 176, 34, stroke=1, fill=1)
    c.setFillColor(STEEL)
    c.circle(left + 318, low + 176, 25, stroke=0, fill=1)
    c.setFillColor(COAL)
    c.circle(left + 318, low + 194, 3, stroke=0, fill=1)
    label(c, left + 318, low + 126, "MENU", "Vera-Bold", 8.5, COAL, "middle")
    c.setFillColor(HexColor("#e2b93b"))
    c.roundRect(left + 36, low + 56, 76, 34, 5, stroke=1, fill=1)
    label(c, left + 74, low + 68, "HOLD", "Vera-Bold", 12, COAL, "middle")
    c.setFillColor(WHITE)
    c.rect(left + 148, low + 62, 42, 20, stroke=1, fill=1)
    c.setFillColor(COAL)
    c.rect(left + 153, low + 71, 32, 6, stroke=0, fill=1)
    label(c, left + 169, low + 44, "USB", "Vera-Bold", 8.5, COAL, "middle")
    c.setFillColor(STEEL)
    c.circle(left + 250, low + 72, 20, stroke=1, fill=1)
    c.setFillColor(COAL)
    c.rect(left + 248, low + 60, 4, 24, stroke=0, fill=1)
    for words, dx, dy in [("0", -30, -6), ("I", 0, 26), ("II", 31, -6)]:
        label(c, left + 250 + dx, low + 72 + dy, words, "Vera-Bold", 10, COAL, "middle")
    c.setFillColor(COAL)
    c.circle(left + 328, low + 72, 14, stroke=1, fill=1)
    c.setFillColor(GREY)
    c.rect(left + 318, low + 70, 20, 4, stroke=0, fill=1)
    label(c, left + 328, low + 44, "FUSE 2 A", "Vera-Bold", 8.5, COAL, "middle")
    _callout(c, 1, x + 24, low + 206, left + 36, low + 206)
    _callout(c, 2, left + wide + 36, low + high - 20, left + 272, low + 218)
    _callout(c, 3, left + wide + 36, low + 176, left + 344, low + 176)
    _callout(c, 4, x + 24, low + 73, left + 40, low + 73)
    _callout(c, 5, x + 24, low + 22, left + 152, low + 64)
    _callout(c, 6, left + 250, low + 22, left + 250, low + 54)
    _callout(c, 7, left + wide + 36, low + 86, left + 340, low + 76)


def _measure(c, x, y0, y1, words, side=1):
    arrow(c, x, (y0 + y1) / 2, x, y1, ORANGE, 0.9, 4)
    arrow(c, x, (y0 + y1) / 2, x, y0, ORANGE, 0.9, 4)
    label(c, x + 5 * side, (y0 + y1) / 2 - 3, words, "Sans-Bold", 8.8, ORANGE, "start" if side > 0 else "end")


def mounting(c, x, y, w, h):
    c.setFillColor(HexColor("#f3f6f7"))
    c.rect(x, y, w, h, stroke=0, fill=1)
    c.setFillColor(SEA)
    c.rect(x, y, w, 92, stroke=0, fill=1)
    c.setStrokeColor(HexColor("#6fa3b5"))
    c.setLineWidth(0.8)
    c.line(x, y + 92, x + w, y + 92)
    c.setDash(3, 3)
    c.line(x, y + 40, x + w, y + 40)
    c.setDash()
    label(c, x + w - 5, y + 96, "highest water", "Sans", 8.4, GREY, "end")
    label(c, x + w - 5, y + 44, "lowest water", "Sans", 8.4, GREY, "end")
    c.setFillColor(HexColor("#8b8f92"))
    c.rect(x, y, 46, h - 34, stroke=0, fill=1)
    c.rect(x, y + h - 46, 84, 14, stroke=0, fill=1)
    label(c, x + 23, y + 70, "PIER", "Vera-Bold", 9, WHITE, "middle")
    c.setFillColor(COAL)
    c.rect(x + 84, y + h - 42, 54, 6, stroke=0, fill=1)
    top = y + h - 68
    shape(c, [(x + 121, top - 11), (x + 135, top - 11), (x + 152, y + 40), (x + 104, y + 40)], HexColor("#f0c7a4"))
    gauge(c, x + 113, top - 30, 0.3, beam=False)
    label(c, x + 128, y + 14, "beam 8 degrees", "Sans", 8.8, INK, "middle")
    _measure(c, x + 164, y + 92, top, "1.5 m or more")
    c.setStrokeColor(RULE)
    c.line(x + 132, top, x + 170, top)
    middle = y + 122
    arrow(c, x + 86, middle, x + 47, middle, ORANGE, 0.9, 4)
    arrow(c, x + 86, middle, x + 118, middle, ORANGE, 0.9, 4)
    label(c, x + 51, middle + 5, "1.2 m or more", "Sans-Bold", 8.8, ORANGE)


def calibration(c, x, y, w, h):
    """A scatter of plate tests against age in years, with the permitted band of 3 mm either side."""
    left, low, wide, high = x + 40, y + 28, w - 60, h - 38
    c.setFillColor(PALE)
    c.rect(left, low + high / 10 * 2, wide, high / 10 * 6, stroke=0, fill=1)
    grid(c, left, low, wide, high, -5, 5, 10, "Sans", 8, lambda v: f"{v:+.0f}".replace("-", "–").replace("+0", "0"), GREY, RULE)
    spread = random.Random(40)
    for k in range(40):
        age = k * 0.2 + spread.random() * 0.2
        error = spread.gauss(0.18 * age, 0.75)
        c.setFillColor(ORANGE)
        c.circle(left + wide * age / 8, low + high * (error + 5) / 10, 2.6, stroke=0, fill=1)
    for year in range(9):
        label(c, left + wide * year / 8, low - 12, str(year), "Sans", 8, GREY, "middle")
    label(c, left + wide / 2, y + 2, "Years in service", "Sans", 8.6, INK, "middle")
    label(c, left + 4, low + high - 9, "Error in mm", "Sans-Bold", 8.6, INK)
