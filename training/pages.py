"""PDF page -> canvas, words with boxes. Boxes come from PDFium's character boxes.

Traps handled here: a ligature is reported as several characters with one box (its width is shared out evenly); PDFium inserts
generated spaces and line breaks; hyphenated line ends; pages whose text layer has no usable Unicode are refused.
"""
import ctypes
import unicodedata
import numpy as np
import pypdfium2 as pdfium
import pypdfium2.raw as raw
from PIL import Image
from canvas import canvas_of, SHORT, LONG
from words import fold, spans, MAX_CHARS

ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789.,:;-_/()'\"=+*%&@#<>[]{}!?$\\|~^`" + "αβγδεζηθικλμνξοπρστυφχψω" + "абвгдежзийклмнопрстуфхцчшщъыьэюя"
KNOWN = set(ALPHABET)
LOOSE = 1.2                                                 # height of a loose box (ascent and descent) over the size of the letters


def characters(page, matrix):
    """Characters of a page with boxes in canvas pixels: list of (char, (x0, y0, x1, y1, loose y0, loose y1, loose x0,
    loose x1, font)); a loose box is as high as the font and as wide as the advance."""
    tp = page.get_textpage()
    n = raw.FPDFText_CountChars(tp)
    name, flags = ctypes.create_string_buffer(128), ctypes.c_int()
    sx, sy, ox, oy = matrix
    l, r, b, t = (ctypes.c_double() for _ in range(4))
    rect = raw.FS_RECTF()
    out = []
    for i in range(n):
        u = raw.FPDFText_GetUnicode(tp, i)
        if u in (0, 0xFFFE, 0xFFFF):
            out.append(("\u00ad" if u == 0xFFFE else "\ufffd", None))
            continue
        c = chr(u) if u < 0x110000 and not 0xD800 <= u < 0xE000 else "\ufffd"
        if c.isspace() or raw.FPDFText_IsGenerated(tp, i) == 1:
            out.append((" ", None))
            continue
        if raw.FPDFText_IsHyphen(tp, i) == 1:
            c = "-"
        if not raw.FPDFText_GetCharBox(tp, i, l, r, b, t) or not raw.FPDFText_GetLooseCharBox(tp, i, rect):
            out.append(("\ufffd", None))
            continue
        x0, x1 = ox + l.value * sx, ox + r.value * sx
        y0, y1 = oy + t.value * sy, oy + b.value * sy
        ly0, ly1 = oy + rect.top * sy, oy + rect.bottom * sy
        raw.FPDFText_GetFontInfo(tp, i, name, len(name), flags)
        out.append((c, (x0, y0, x1, y1, ly0, ly1, ox + rect.left * sx, ox + rect.right * sx, name.value)))
    tp.close()
    return split_ligatures(out)


def split_ligatures(chars):
    """Neighbours that share one box (a ligature) get an even share of its width each."""
    i = 0
    while i < len(chars):
        j = i + 1
        box = chars[i][1]
        while box and j < len(chars) and chars[j][1] and abs(chars[j][1][0] - box[0]) < 0.3 and abs(chars[j][1][2] - box[2]) < 0.3 \
                and abs(chars[j][1][1] - box[1]) < 0.3:
            j += 1
        if box and j - i > 1:
            w = (box[2] - box[0]) / (j - i)
            for k in range(i, j):
                chars[k] = (chars[k][0], (box[0] + w * (k - i), box[1], box[0] + w * (k - i + 1), *box[3:]))
        i = max(j, i + 1)
    return chars


def words_of(chars, width, height):
    """Words of a character list: (folded word, x0, y0, x1, y1, whole, size of the letters). `whole` is False where a reader may see another word: beside
    a line-end hyphen or a character without Unicode, with a gap inside (the layer forgot a space) or a character of another size (a
    footnote mark), or where one font follows another."""
    runs, cur = [], []
    for c, box in chars:
        if box is None or (cur and not follows(cur[-1][1], box)):
            if cur:
                runs.append((cur, box is None and c in "\u00ad\ufffd"))
            cur = []
        if box is not None:
            cur.append((c, box))
        elif c == "\ufffd":
            runs.append(([], True))                         # what follows it is a part of a word too,
        elif c == " " and runs and runs[-1] == ([], True):
            runs.append(([], False))                        # but not behind a space
    if cur:
        runs.append((cur, False))
    out, broken = [], False
    for run, soft in runs:
        text, boxes = [], []
        for c, box in run:
            f = fold(c)
            text.append(f)
            boxes += [box] * len(f)
        text = "".join(text)
        found = [part for span in spans(text) for part in of_one_font(boxes, *span)]
        detached = any(unicodedata.category(c) == "Sk" and c not in "^`" for c, _ in run)    # an accent drawn apart: "¨u"
        hyphen = soft or (text.endswith("-") and len(text) > 1 and text[-2].isalpha())
        for k, (a, b, uncut) in enumerate(found):
            bs = boxes[a:b][:MAX_CHARS]                     # what is cut off a long word is not part of its box
            x0, x1 = min(q[0] for q in bs), max(q[2] for q in bs)
            y0, y1 = min(q[1] for q in bs), max(q[3] for q in bs)
            if any(q not in KNOWN for q in text[a:b]):
                continue                                    # other scripts are not learned: no false labels
            if x1 - x0 < 1 or y1 - y0 < 1 or x1 < 0 or y1 < 0 or x0 > width or y0 > height or y1 - y0 > 140:
                continue
            whole = uncut and even(bs) and not detached and not (k == 0 and broken) and not (k == len(found) - 1 and hyphen)
            loose = sorted(q[5] - q[4] for q in bs)[len(bs) // 2]
            out.append((text[a:b].replace(",", ".")[:MAX_CHARS], x0, y0, x1, y1, whole, loose / LOOSE))
        broken = hyphen
    return out


def of_one_font(boxes, a, b):
    """The span cut where the font changes: (start, end, whether it is the whole span) of each part. Layers call symbols letters
    (TeX's angle brackets are h and i)."""
    cuts = [a] + [i for i in range(a + 1, b) if boxes[i][8] != boxes[i - 1][8]] + [b]
    return [(start, end, len(cuts) == 2) for start, end in zip(cuts, cuts[1:])]


def follows(a, b):
    """Whether box b continues the word of box a on the same line."""
    h = max(a[3] - a[1], a[5] - a[4], 2.0)
    mid_a, mid_b = (a[4] + a[5]) / 2, (b[4] + b[5]) / 2
    return abs(mid_a - mid_b) < 0.6 * h and -0.6 * h < b[0] - a[2] < 0.45 * h


def even(boxes):
    """Whether characters stand together as one word: on one line, in one size, without a gap as wide as a space."""
    size = sorted(b[5] - b[4] for b in boxes)[len(boxes) // 2]
    middle = sorted((b[4] + b[5]) / 2 for b in boxes)[len(boxes) // 2]
    return all(abs((b[5] - b[4]) - size) <= 0.15 * size and abs((b[4] + b[5]) / 2 - middle) <= 0.15 * size for b in boxes) \
        and all(b[6] - a[7] <= 0.15 * size for a, b in zip(boxes, boxes[1:]))


def device_matrix(page, width, height):
    """(sx, sy, ox, oy): page coordinates -> canvas pixels, from PDFium itself (crop boxes can lie anywhere)."""
    big = 1_000_000
    x, y = ctypes.c_int(), ctypes.c_int()
    points = []
    for px, py in ((0.0, 0.0), (100.0, 100.0)):
        raw.FPDF_PageToDevice(page, 0, 0, big, big, 0, px, py, x, y)
        points.append((x.value / big * width, y.value / big * height))
    (ax, ay), (bx, by) = points
    return (bx - ax) / 100, (by - ay) / 100, ax, ay


def read_page(page, direct=False, dpi=150):
    """-> (canvas u8, chars, words) or None for a page of no use. `direct` renders at the canvas size at once (faster, and a
    slightly different anti-aliasing: used as augmentation); otherwise 150 dpi and Pillow's resize, as Quire does."""
    w_pt, h_pt = page.get_size()
    if page.get_rotation() or not 100 < w_pt < 3000 or not 100 < h_pt < 3000:
        return None
    cw, ch = (LONG, SHORT) if w_pt > h_pt else (SHORT, LONG)
    scale = min(cw / w_pt, ch / h_pt) if direct else dpi / 72
    img = page.render(scale=scale, grayscale=direct).to_pil()
    canvas, (nw, nh) = canvas_of(img)
    chars = characters(page, device_matrix(page, nw, nh))
    return canvas, chars, words_of(chars, nw, nh), img
