"""Pages drawn letter by letter, whose word boxes are therefore known exactly: text, tables of numbers, forms, code, covers, cards, labels,
snips of screens, in many fonts and in every size from unreadable to a title.

    python synthetic.py --fonts FONTS --vocabulary VOCABULARY --out FOLDER      draws some to look at
"""
import argparse, io, math, os, random
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from fonts import found
from text import Text, parts

MOST_WORDS = 420            # on a page
# Drawn so many times larger, then reduced as pages are: 1 is a screenshot, 1.49 an A4 page of 150 dpi, 4.3 and 9.9 the smaller passes.
OVERSAMPLE = {"text": (1, 1, 1.49, 1.49, 1.49, 2, 3), "large": (1, 1.5, 2, 2.9, 4.3), "cover": (1, 2, 4.3, 4.3, 9.9)}


class Fonts:
    """Font files under a folder with the scripts they cover; sizes are cached. `held_out`: the families kept for measuring, instead."""

    def __init__(self, folder, held_out=False):
        self.files = []
        for path, scripts in found(folder, held_out):
            with open(path, "rb") as f:
                self.files.append((f.read(), scripts))
        if not self.files:
            raise FileNotFoundError(f"no usable .ttf or .otf file in {folder}")
        self.foreign = [i for i, (_, s) in enumerate(self.files) if s & {"greek", "cyrillic"}]
        self.cache = {}

    def some(self, rng):
        return rng.choice(self.foreign) if self.foreign and rng.random() < 0.2 else rng.randrange(len(self.files))

    def at(self, i, size):
        key = i, round(size * 4)
        if key not in self.cache:
            if len(self.cache) > 3000:
                self.cache.clear()
            self.cache[key] = ImageFont.truetype(io.BytesIO(self.files[i][0]), max(1.0, key[1] / 4), layout_engine=ImageFont.Layout.BASIC)
        return self.cache[key]


class Sheet:
    """An image under the pen; all lengths are canvas pixels, `k` pixels of the image each."""

    def __init__(self, width, height, k, paper):
        self.w, self.h, self.k = width, height, k
        self.image = Image.new("L", (math.ceil(width * k), math.ceil(height * k)), paper)
        self.pen = ImageDraw.Draw(self.image)
        self.words, self.boxes, self.sizes = [], [], []

    def write(self, token, x, y, font, em, ink):
        """A token with its baseline at y."""
        k = self.k
        self.pen.text((x * k, y * k), token, font=font, fill=ink, anchor="ls")
        for word, a, b in parts(token):
            left = font.getlength(token[:a]) if a else 0.0
            right = font.getlength(token[:b])
            _, top, _, bottom = font.getbbox(token[a:b], anchor="ls")
            self.words.append(word)
            self.boxes.append((x + left / k, y + top / k, x + right / k, y + bottom / k))
            self.sizes.append(em)

    def bar(self, x0, y0, x1, y1, fill=None, outline=None, radius=0):
        k = self.k
        if x1 - x0 > 1 and y1 - y0 > 1:
            self.pen.rounded_rectangle((x0 * k, y0 * k, x1 * k, y1 * k), radius * k, fill, outline, max(1, round(k * 0.8)))

    def picture(self, rng, npr, x, y, width, height):
        """A blurred or noisy patch over what is there: something that isn't text."""
        w, h = int(width * self.k), int(height * self.k)
        if w < 8 or h < 8:
            return
        grain = npr.integers(0, 256, (max(2, h // rng.choice((2, 8, 30))), max(2, w // rng.choice((2, 8, 30)))), np.uint8)
        self.image.paste(Image.fromarray(grain).resize((w, h), rng.choice((Image.BICUBIC, Image.NEAREST))), (int(x * self.k), int(y * self.k)))
        left = [i for i, (x0, y0, x1, y1) in enumerate(self.boxes) if x1 < x or x0 > x + width or y1 < y or y0 > y + height]
        self.words, self.boxes, self.sizes = ([v[i] for i in left] for v in (self.words, self.boxes, self.sizes))

    def finished(self, rng):
        """-> canvas u8 [h, w], words, boxes f32 [n, 4], sizes of letters f32 [n], as Quire would see the page."""
        image = self.image
        if image.size != (self.w, self.h):
            image = image.resize((self.w, self.h), Image.BICUBIC)
        if rng.random() < 0.25:
            b = io.BytesIO()
            image.save(b, "JPEG", quality=rng.randrange(25, 85))
            image = Image.open(b)
        v = np.asarray(image)
        if v.mean() < 110:
            v = 255 - v
        return v, self.words, np.array(self.boxes, np.float32).reshape(-1, 4), np.array(self.sizes, np.float32)


class Painter:
    def __init__(self, fonts, vocabulary, seed):
        self.fonts, self.vocabulary = fonts, vocabulary
        self.r, self.npr = random.Random(seed), np.random.default_rng(seed)

    def page(self, width, height, kind):
        """`kind`: text (8 to 16 pixels), large (every size), cover (unreadably small beside titles)."""
        r = self.r
        dark = r.random() < 0.1
        paper, ink = (r.randrange(115, 190), r.choice((255, 255, r.randrange(0, 20)))) if r.random() < 0.06 else (r.randrange(222, 256), r.randrange(0, 110))
        if dark:
            paper, ink = r.randrange(0, 70), r.randrange(190, 256)
        s = Sheet(width, height, r.choice(OVERSAMPLE[kind]), paper)
        s.paper, s.ink, s.kind = paper, ink, kind
        s.body = {"text": lambda: math.exp(r.uniform(math.log(7.8), math.log(15))), "large": lambda: math.exp(r.uniform(math.log(8), math.log(40))),
                  "cover": lambda: r.uniform(1.2, 7.5)}[kind]()
        s.font, s.second = self.fonts.some(r), self.fonts.some(r)
        s.taste = r.choices(("plain", "strange", "short", "figures"), (42, 17, 27, 14))[0]
        margin = r.uniform(0.01, 0.09) * width
        columns = r.choice((1, 1, 1, 2, 2, 3)) if s.body < width / 28 else 1
        step = (width - 2 * margin) / columns
        for c in range(columns):
            y = r.uniform(0, 0.12) * height
            while y < height - s.body and len(s.words) < MOST_WORDS * (c + 1) / columns:
                y = self.block(s, margin + c * step, y, step - r.uniform(4, 16)) + r.uniform(0.2, 1.6) * s.body
        if r.random() < 0.15:
            s.picture(r, self.npr, r.uniform(0, 0.7) * width, r.uniform(0, 0.7) * height, r.uniform(0.05, 0.5) * width, r.uniform(0.05, 0.5) * height)
        return s.finished(r)

    def size(self, s):
        """The letter size of a block."""
        r = self.r
        if s.kind == "large":
            return math.exp(r.uniform(math.log(8), math.log(40))) if r.random() < 0.6 else s.body
        if s.kind == "cover":
            return math.exp(r.uniform(math.log(7), math.log(34))) if r.random() < 0.4 else s.body
        return s.body * r.choice((1, 1, 1, 1, 0.85, 1.2, 1.5, 2.2))

    def block(self, s, x, y, width):
        """Draws one block at (x, y); returns where it ends."""
        r, em = self.r, self.size(s)
        taste = s.taste if r.random() < 0.8 else r.choice(("plain", "short", "figures"))
        which = s.font if r.random() < 0.7 else s.second
        text = Text(r, self.vocabulary, self.fonts.files[which][1], taste)
        font = self.fonts.at(which, em * s.k)
        height = em * r.uniform(1.1, 1.6)
        kind = r.choices((self.paragraph, self.heading, self.table, self.fields, self.buttons), (40, 22 if em > s.body else 12, 20, 12, 8))[0]
        return kind(s, x, y, width, em, height, font, text)

    def line(self, s, x, y, width, em, font, text, ink, align=0, most=40, space=None):
        """One line of tokens with its baseline at y + em; returns the number drawn."""
        k, room = s.k, width
        space = space or em * self.r.choice((0.25, 0.28, 0.33, 0.5))
        row = []
        while len(row) < most:
            t = text.token()
            w = font.getlength(t) / k
            if w > room:
                break
            row.append((t, w))
            room -= w + space
        x += (room + space) * align if row else 0
        for t, w in row:
            s.write(t, x, y + em, font, em, ink)
            x += w + space
        return len(row)

    def paragraph(self, s, x, y, width, em, height, font, text):
        r, ink = self.r, s.ink
        for _ in range(r.randrange(1, 9)):
            if y > s.h - em * 0.4:
                break
            self.line(s, x, y, width, em, font, text, ink, most=r.choice((40, 40, 40, 6)))
            y += height
        return y

    def heading(self, s, x, y, width, em, height, font, text):
        """A line or two, often white on a band, or centred."""
        r, ink, align, lines = self.r, s.ink, self.r.choice((0, 0, 0.5, 0.5, 1)), self.r.choice((1, 1, 2))
        if r.random() < 0.4:
            band = r.randrange(0, 120) if ink > 128 or r.random() < 0.7 else r.randrange(170, 240)
            ink = r.randrange(215, 256) if band < 128 else r.randrange(0, 60)
            s.bar(x - 3, y - 0.2 * em, x + width, y + lines * height + 0.25 * em, band, radius=r.choice((0, 0, 4)))
        for _ in range(lines):
            self.line(s, x, y, width, em, font, text, ink, align, most=r.randrange(1, 7))
            y += height
        return y + 0.3 * em

    def table(self, s, x, y, width, em, height, font, text):
        r = self.r
        columns = max(1, min(r.randrange(2, 8), int(width / (3.2 * em))))
        step, rows, ruled, align = width / columns, r.randrange(2, 12), r.random() < 0.5, r.choice((0, 0.5, 1))
        numbers = Text(r, self.vocabulary, set(), "figures")
        kinds = [r.choice((text, numbers, numbers)) for _ in range(columns)]
        for i in range(rows):
            if y > s.h - em * 0.4:
                break
            ink = s.ink
            if i == 0 and r.random() < 0.5:
                fill = r.randrange(20, 110)
                s.bar(x, y - 0.1 * em, x + width, y + height - 0.1 * em, fill)
                ink = 255
            elif i % 2 and r.random() < 0.3:
                s.bar(x, y - 0.1 * em, x + width, y + height - 0.1 * em, min(255, s.paper + 10) if s.paper < 128 else s.paper - 18)
            for c in range(columns):
                self.line(s, x + c * step + 2, y, step - 5, em, font, kinds[c], ink, align, most=r.choice((1, 1, 2, 4)))
                if ruled:
                    s.bar(x + c * step, y - 0.1 * em, x + (c + 1) * step, y + height - 0.1 * em, outline=r.choice((s.ink, 128)))
            y += height
        return y

    def fields(self, s, x, y, width, em, height, font, text):
        """Labels with values, each maybe in a box."""
        r, split, boxed = self.r, self.r.uniform(0.25, 0.6) * width, self.r.random() < 0.5
        for _ in range(r.randrange(1, 7)):
            if y > s.h - em * 0.4:
                break
            self.line(s, x, y, split - 6, em, font, text, s.ink, most=3)
            if boxed:
                s.bar(x + split - 3, y - 0.05 * em, x + width, y + 1.3 * em, outline=128)
            self.line(s, x + split, y, width - split, em, font, text, s.ink, most=4)
            y += height * 1.15
        return y

    def buttons(self, s, x, y, width, em, height, font, text):
        """Words on filled shapes: user interfaces, labels, chat."""
        r, end = self.r, x + width
        for _ in range(r.randrange(1, 6)):
            w = r.uniform(4, 14) * em
            if x + w > end:
                break
            fill = r.choice((r.randrange(0, 110), r.randrange(180, 256)))
            s.bar(x, y, x + w, y + 1.9 * em, fill, outline=r.choice((None, 128)), radius=r.choice((0, 0.4, 0.9)) * em)
            self.line(s, x + 0.5 * em, y + 0.35 * em, w - em, em, font, text, 255 if fill < 128 else r.randrange(0, 70), r.choice((0, 0.5)), most=3)
            x += w + r.uniform(0.3, 2) * em
        return y + 2.2 * em


def main():
    from vocabulary import load
    ap = argparse.ArgumentParser()
    ap.add_argument("--fonts", required=True), ap.add_argument("--vocabulary", required=True), ap.add_argument("--out", required=True)
    a = ap.parse_args()
    os.makedirs(a.out, exist_ok=True)
    painter = Painter(Fonts(a.fonts), load(a.vocabulary), 1)
    for n in range(12):
        kind = ("text", "large", "cover")[n % 3]
        canvas, words, boxes, _ = painter.page(*((832, 576) if kind != "cover" else (304, 416)), kind)
        image = Image.fromarray(canvas)
        pen = ImageDraw.Draw(image)
        for b in boxes:
            pen.rectangle(tuple(map(float, b)), outline=160)
        image.save(os.path.join(a.out, f"{n:02d}-{kind}.png"))


if __name__ == "__main__":
    main()
