"""Synthetic documents as HTML, printed to PDF by headless Chromium: many fonts, and kinds of page that documentation lacks
(invoices, forms, letters, slides, white on dark, part numbers, dates). The text is random words: nothing to memorise.

    python synthetic.py --fonts FONT_FOLDER --shards SHARDS --out PDF_FOLDER --documents 24 --pages 30
"""
import argparse, glob, html, os, pickle, random, subprocess
from fontTools.ttLib import TTFont

LETTERS = "abcdefghijklmnopqrstuvwxyz"
ACCENTED = dict(a="àáâãäåąă", c="çćč", d="ďđ", e="èéêëęě", g="ğ", i="ìíîï", l="łľ", n="ñńň", o="òóôõöøő", r="ř", s="śšşß", t="ťţ",
                u="ùúûüůű", y="ýÿ", z="źżž")
GREEK, CYRILLIC = "αβγδεζηθικλμνξοπρστυφχψω", "абвгдежзийклмнопрстуфхцчшщъыьэюя"


def families(folder):
    """{family: scripts it covers} of the font files that hold the Latin alphabet and digits."""
    out = {}
    for d, _, fs in os.walk(folder):
        for f in fs:
            if f.lower().endswith((".ttf", ".otf")):
                try:
                    font = TTFont(os.path.join(d, f), lazy=True, fontNumber=0)
                    cmap, name = font.getBestCmap(), font["name"].getBestFamilyName()
                except Exception:
                    continue
                if cmap and name and all(ord(c) in cmap for c in LETTERS + LETTERS.upper() + "0123456789.,"):
                    s = out.setdefault(name, set())
                    if all(ord(c) in cmap for c in "éüßřłç"):
                        s.add("accents")
                    if all(ord(c) in cmap for c in GREEK):
                        s.add("greek")
                    if all(ord(c) in cmap for c in CYRILLIC):
                        s.add("cyrillic")
    return out


class Text:
    def __init__(self, rng, vocabulary, scripts, strange=False):
        self.r, self.v, self.s, self.strange = rng, vocabulary, scripts, strange

    def number(self):
        r = self.r
        return r.choice([lambda: str(r.randrange(10 ** r.randrange(1, 7))), lambda: str(r.randrange(1900, 2031)),
                         lambda: f"{r.randrange(1, 9999):,}.{r.randrange(100):02d}", lambda: f"{r.randrange(10000)},{r.randrange(100):02d}",
                         lambda: f"{r.randrange(1, 29)}/{r.randrange(1, 13)}/{r.randrange(1990, 2030)}",
                         lambda: f"{r.randrange(2000, 2030)}-{r.randrange(1, 13):02d}-{r.randrange(1, 29):02d}",
                         lambda: f"{r.randrange(20)}.{r.randrange(30)}.{r.randrange(100)}", lambda: f"{r.randrange(24)}:{r.randrange(60):02d}",
                         lambda: f"{r.randrange(101)}%", lambda: f"0x{r.randrange(65536):04X}"])()

    def code(self):
        r = self.r
        letters = "".join(r.choice(LETTERS.upper()) for _ in range(r.randrange(1, 4)))
        return r.choice([lambda: f"{letters}-{r.randrange(10 ** r.randrange(2, 6))}", lambda: f"{letters}{r.randrange(10 ** r.randrange(2, 6))}",
                         lambda: f"E{r.randrange(1000, 9999)}", lambda: f"{letters}.{r.randrange(99)}-{r.randrange(999)}",
                         lambda: f"{r.choice(self.v)}_{r.choice(self.v)}", lambda: f"--{r.choice(self.v)}-{r.choice(self.v)}",
                         lambda: f"{r.choice(self.v)}.{r.choice(self.v)}()", lambda: f"{letters}"])()

    def made_up(self):
        """A word that no vocabulary has: the head of one and the tail of another, in any case, sometimes with a digit."""
        r = self.r
        a, b = r.choice(self.v), r.choice(self.v)
        w = (a[:r.randrange(1, len(a) + 1)] + b[r.randrange(len(b)):])[:r.choice((5, 8, 12, 20))]
        x = r.random()
        if x < 0.2:
            w = w.upper()
        elif x < 0.35:
            w = a.capitalize() + b.capitalize()
        elif x < 0.5:
            w = w.capitalize()
        return w + str(r.randrange(100)) if r.random() < 0.08 else w

    def identifier(self):
        """Two to four words of the vocabulary as programs write them: longNameOfSomething, LONG_NAME, longname@."""
        r = self.r
        parts = [r.choice(self.v) for _ in range(r.choice((2, 2, 2, 3, 3, 4)))]
        joined = r.choice((lambda: parts[0] + "".join(p.capitalize() for p in parts[1:]), lambda: "".join(p.capitalize() for p in parts),
                           lambda: "".join(parts), lambda: "".join(parts).upper(), lambda: "_".join(parts).upper()))()[:40]
        return r.choice(("%s", "%s", "%s", "\\%s", "@%s", "-%s", "_%s", "$%s", "%s@", "\\%s{", "[%s]", "%s()", "<%s>", "%s=")) % joined

    def word(self):
        r, x = self.r, self.r.random()
        if self.strange and r.random() < 0.55:
            y = r.random()
            if y < 0.2:
                return self.identifier()
            if y < 0.55:
                return self.made_up()
            if y < 0.75:
                return r.choice((self.number, self.code))()
            w = "".join(r.choice(LETTERS + LETTERS + "0123456789") for _ in range(r.choice((3, 3, 3, 4, 4, 5, 6))))
            return r.choice((w, w, w.upper(), w.capitalize()))
        if x < 0.10:
            return self.number()
        if x < 0.16:
            return self.code()
        if x < 0.24:
            w = "".join(r.choice(LETTERS) for _ in range(r.choice((2, 3, 3, 3, 4, 5))))
            return w.upper() if r.random() < 0.3 else w
        if x < 0.30 and self.s & {"greek", "cyrillic"}:
            letters = GREEK if "greek" in self.s and (r.random() < 0.5 or "cyrillic" not in self.s) else CYRILLIC
            w = "".join(r.choice(letters) for _ in range(r.randrange(2, 11)))
            return w.capitalize() if r.random() < 0.2 else w
        w = r.choice(self.v)
        if x < 0.45 and "accents" in self.s:
            w = "".join(r.choice(ACCENTED[c]) if c in ACCENTED and r.random() < 0.25 else c for c in w)
        if r.random() < 0.12:
            w = w.capitalize()
        elif r.random() < 0.04:
            w = w.upper()
        return w

    def some(self, lo, hi):
        r = self.r
        out = []
        for _ in range(r.randrange(lo, hi)):
            w = html.escape(self.word())
            x = r.random()
            if x < 0.10:
                w += r.choice(",;:")
            elif x < 0.17:
                w += "."
            elif x < 0.22:
                w = r.choice(("(%s)", "“%s”", "‘%s’", "[%s]", "<b>%s</b>", "<i>%s</i>", "<code>%s</code>", "<u>%s</u>")) % w
            out.append(w)
        return " ".join(out)


def page(t, slide):
    r = t.r
    if slide:
        items = "".join(f"<li>{t.some(2, 12)}</li>" for _ in range(r.randrange(3, 9)))
        return f"<h1 class='{r.choice(('', 'dark'))}'>{t.some(2, 7)}</h1><ul>{items}</ul><p class='small'>{t.some(3, 20)}</p>"
    out = []
    if r.random() < 0.7:
        out.append(f"<h1 class='{r.choice(('', 'dark', 'grey'))}'>{t.some(2, 7)}</h1>")
    for _ in range(r.randrange(2, 7)):
        k = r.random()
        if k < 0.4:
            out.append(f"<p>{t.some(25, 110)}</p>")
        elif k < 0.6:
            cols = r.randrange(2, 7)
            head = "".join(f"<th>{t.some(1, 3)}</th>" for _ in range(cols))
            rows = "".join("<tr>" + "".join(f"<td>{t.some(1, 4) if r.random() < 0.5 else t.number()}</td>" for _ in range(cols)) + "</tr>"
                           for _ in range(r.randrange(3, 14)))
            out.append(f"<table class='{r.choice(('lined', 'plain', 'zebra'))}'><tr class='{r.choice(('dark', 'grey', ''))}'>{head}</tr>{rows}</table>")
        elif k < 0.72:
            out.append("".join(f"<div class='field'><span>{t.some(1, 4)}</span><span class='box'>{t.some(1, 5)}</span></div>" for _ in range(r.randrange(3, 10))))
        elif k < 0.84:
            out.append("<pre>" + "\n".join(" " * r.choice((0, 0, 2, 4, 8)) + html.escape(" ".join(r.choice((t.code, t.word, t.word))() for _ in range(r.randrange(1, 8)))) for _ in range(r.randrange(4, 16))) + "</pre>")
        elif k < 0.92:
            out.append(f"<div class='two'>{t.some(60, 160)}</div>")
        else:
            out.append(f"<h2>{t.some(2, 8)}</h2><p class='small'>{t.some(20, 80)}</p>")
    return "".join(out)


def document(rng, fonts, vocabulary, pages, strange):
    slide = rng.random() < 0.25
    size = "297mm 167mm" if slide and rng.random() < 0.7 else "A4 landscape" if slide else rng.choice(("A4", "letter"))
    body = []
    for _ in range(pages):
        name = rng.choice(sorted(fonts))
        second = rng.choice(sorted(fonts))
        t = Text(rng, vocabulary, fonts[name] & fonts[second], strange)
        pt = rng.uniform(16, 26) if slide else rng.choice((8, 9, 9.5, 10, 10, 11, 11, 12, 12, 14))
        colour = rng.choice(("#000", "#000", "#222", "#444", "#024", "#600"))
        body.append(f"<section style=\"font-family:'{name}';font-size:{pt:.1f}pt;color:{colour};line-height:{rng.uniform(1.05, 1.5):.2f};"
                    f"text-align:{rng.choice(('left', 'left', 'justify'))};--h:'{second}'\">{page(t, slide)}</section>")
    style = f"""@page{{size:{size};margin:{rng.randrange(8, 25)}mm}} *{{-webkit-print-color-adjust:exact}} section{{break-after:page;
height:{'130mm' if slide else '235mm'};overflow:hidden}} h1,h2{{font-family:var(--h)}} .dark{{background:#223;color:#fff}} .grey{{background:#ddd}}
.small{{font-size:80%}} table{{border-collapse:collapse;margin:6pt 0}} td,th{{padding:1pt 5pt}} .lined td,.lined th{{border:1px solid #555}}
.zebra tr:nth-child(even){{background:#e6e6ee}} .field span{{display:inline-block;min-width:90pt}} .box{{border:1px solid #888;padding:2pt}}
pre{{font-family:var(--h);font-size:88%;background:#f3f3f3}} .two{{columns:2}}"""
    return f"<!doctype html><meta charset=utf-8><style>{style}</style>" + "".join(body)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--fonts", required=True), ap.add_argument("--shards", required=True), ap.add_argument("--out", required=True)
    ap.add_argument("--documents", type=int, default=24), ap.add_argument("--pages", type=int, default=30)
    ap.add_argument("--chromium", default="chromium"), ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--strange", action="store_true", help="mostly words of no vocabulary, in capitals too, numbers and short words")
    a = ap.parse_args()
    rng = random.Random(a.seed)
    fonts = families(a.fonts)
    vocabulary = sorted({w for f in glob.glob(os.path.join(a.shards, "*-meta.pkl")) for m in pickle.load(open(f, "rb")) for w in m["words"]
                         if w.isascii() and w.isalpha() and 2 <= len(w) <= 20})
    print(len(fonts), "font families", len(vocabulary), "words", flush=True)
    os.makedirs(a.out, exist_ok=True)
    for n in range(a.documents):
        path = os.path.abspath(os.path.join(a.out, f"{n:03d}"))
        with open(path + ".html", "w", encoding="utf-8") as f:
            f.write(document(rng, fonts, vocabulary, a.pages, a.strange))
        subprocess.run([a.chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer",
                        f"--print-to-pdf={path}.pdf", f"file://{path}.html"], stderr=subprocess.DEVNULL, timeout=180)
        os.remove(path + ".html")


if __name__ == "__main__":
    main()
