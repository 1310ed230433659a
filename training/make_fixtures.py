"""Golden files for the Rust side: small pages drawn here (no foreign content), with what the shipped model gives for them.

    python make_fixtures.py --model models/quire-glyph --fonts FONT_FOLDER --out tests/fixtures/glyph

The pages are only drawn if they are missing, so that the images in the repository stay as they are when the model changes."""
import argparse, glob, hashlib, json, os, random
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from canvas import looks, padded
from glyph import Glyph, repeats
from scan_simulation import simulate
from words import ids, ngrams, words as split

TEXT = ("Quire reads a page the way a person does: it looks. Invoice 2024-0815 of 17 March lists 42 office chairs, part number "
        "AB-1234.5, at 1,299.00 each; delivery to Köln, Łódź and Besançon took until Tuesday. The configure script accepts "
        "--enable-shared and reads foo_bar from its environment. Efficient offices file affidavits first.").split()
QUESTIONS = ["Which invoice lists office chairs?", "part number AB-1234.5", "delivery to Köln, Łódź and Besançon", "1,299.00", "--enable-shared",
             "foo_bar", "What is the", "Straße ŒUVRE ﬁle Ⅳ", "l'homme don't", "x", "7", "", "???", "αβγ Ωμέγα ΣΟΦΟΣ", "Привет ёлка", "a" * 40,
             "İstanbul version 2.10.3, 3.14 and 1,5", "the the Quire quire QUIRE"]


DPI = {"drawing.png": 36}      # of pages whose true size is known


def font(folder, name, size):
    path = next(iter(sorted(glob.glob(os.path.join(folder, "**", name), recursive=True))))
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)


def write_text(draw, f, box, text, fill=0, leading=1.3):
    x, y, x1, y1 = box
    cx = x
    for w in text:
        width = draw.textlength(w + " ", font=f)
        if cx + width > x1:
            cx, y = x, y + int(f.size * leading)
        if y + f.size > y1:
            return
        draw.text((cx, y), w, fill=fill, font=f)
        cx += width


def draw_pages(folder, fonts):
    rng = random.Random(1)
    def save(name, image):
        path = os.path.join(folder, name)
        if not os.path.exists(path):
            image.save(path, optimize=True)
    def page(w, h, colour="white"):
        im = Image.new("RGB", (w, h), colour)
        return im, ImageDraw.Draw(im)
    serif, sans, mono = "LiberationSerif-Regular.ttf", "DejaVuSans.ttf", "LiberationMono-Regular.ttf"
    im, d = page(1240, 1754)
    write_text(d, font(fonts, serif, 40), (150, 140, 1100, 240), "A page of text".split())
    write_text(d, font(fonts, serif, 24), (150, 240, 1100, 900), TEXT * 3)
    write_text(d, font(fonts, mono, 22), (150, 950, 1100, 1500), rng.sample(TEXT, len(TEXT)) * 2)
    save("portrait.png", im.quantize(16).convert("RGB"))
    im, d = page(1280, 720)
    d.rectangle((0, 0, 1280, 110), fill=(30, 40, 90))
    write_text(d, font(fonts, sans, 54), (50, 25, 1250, 110), "Quarterly results 2024".split(), fill="white")
    write_text(d, font(fonts, sans, 34), (70, 180, 1200, 680), TEXT, fill=(60, 20, 20), leading=1.6)
    save("slide.png", im)
    im, d = page(620, 802)
    write_text(d, font(fonts, serif, 15), (60, 60, 560, 740), TEXT * 3)
    save("scan.png", simulate(im, "fixture").convert("L"))
    im, d = page(211, 87)
    write_text(d, font(fonts, sans, 14), (7, 5, 205, 80), TEXT)
    save("tiny.png", im)
    im, d = page(700, 500, (20, 22, 28))
    write_text(d, font(fonts, mono, 17), (20, 20, 680, 480), TEXT, fill=(220, 230, 200))
    save("dark.png", im)
    save("blank.png", page(600, 800)[0])
    im, d = page(160, 4200)                                     # a receipt
    write_text(d, font(fonts, mono, 11), (8, 10, 155, 4190), TEXT * 4, leading=6)
    save("long.png", im.quantize(4).convert("L"))
    im, d = page(2300, 1500)                                    # a drawing: DPI says how large it is
    for n, (x, y) in enumerate([(100, 100), (1100, 640), (1700, 900), (700, 1380), (2040, 1300)]):
        d.rectangle((x - 10, y - 10, x + 250, y + 60), outline=0)
        write_text(d, font(fonts, sans, 16), (x, y, x + 240, y + 55), TEXT[n * 5:n * 5 + 5])
    save("drawing.png", im.quantize(4).convert("L"))
    im, d = page(620, 802)                                      # a heading, and a table that was set sideways
    write_text(d, font(fonts, serif, 15), (40, 30, 590, 130), TEXT)
    table, t = page(560, 520)
    write_text(t, font(fonts, sans, 14), (10, 10, 550, 510), TEXT * 2, leading=1.8)
    im.paste(table.transpose(Image.ROTATE_90), (50, 190))
    save("sideways.png", im.quantize(16).convert("L"))
    save("turned.png", Image.open(os.path.join(folder, "scan.png")).transpose(Image.ROTATE_180))
    im, d = page(620, 877)
    write_text(d, font(fonts, serif, 62), (40, 60, 600, 400), "Pier to Pocket".split())
    write_text(d, font(fonts, sans, 11), (40, 420, 600, 460), TEXT[:8])
    save("cover.png", im.quantize(16).convert("L"))


def unsure(g, readings):
    """[turn, look, cell] that another machine may decide otherwise: a gate near its threshold, a repetition nearly near enough."""
    same = g.manifest["page"]["keep"]["same_as_finer"]
    out = set()
    for number, r in enumerate(readings):
        near = r.near | {int(r.cells[i]) for i in range(len(r.cells)) for f in readings[:number]
                         if f.turn == r.turn and repeats(r, i, f, same - 2e-3) and not repeats(r, i, f, same + 2e-3)}
        out |= {(90 * r.turn, r.look, c) for c in near}
    return sorted(out)


def rounded(v):
    return [round(float(x), 6) for x in v]


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--model", required=True), ap.add_argument("--fonts", required=True), ap.add_argument("--out", required=True)
    a = ap.parse_args()
    os.makedirs(a.out, exist_ok=True)
    draw_pages(a.out, a.fonts)
    g = Glyph(a.model, threads=1)
    pages = []
    for path in sorted(glob.glob(os.path.join(a.out, "*.png"))):
        image, name = Image.open(path), os.path.basename(path)
        dpi = DPI.get(name)
        pictures = looks(image, g.manifest["page"], dpi)
        v, kept, readings = g.looks_vectors(pictures)
        some = np.linspace(0, len(kept) - 1, min(16, len(kept))).round().astype(int)
        canvases = [padded(p) for p in pictures]
        pages.append(dict(image=name, mode=image.mode, size=list(image.size), dpi=dpi,
                          canvases=[dict(size=[c.shape[1], c.shape[0]], used=[p.shape[1], p.shape[0]], sha256=hashlib.sha256(c.tobytes()).hexdigest(),
                                         rows=c.shape[0] // 16, cols=c.shape[1] // 16) for p, c in zip(pictures, canvases)],
                          turns=sorted({90 * r.turn for r in readings}),
                          kept=[[90 * readings[s].turn, readings[s].look, c] for s, c in kept], unsure=unsure(g, readings),
                          cells=[dict(at=int(i), vector=rounded(v[i])) for i in some]))
        if name == "slide.png":
            pages[-1]["anchors"] = {str(k): round(w, 6) for k, w in sorted(g.page_sparse(v).items())}
    asked = []
    for q in QUESTIONS:
        ws, v = g.ask(q)
        asked.append(dict(question=q, all_words=split(q), words=ws, ids=[ids(w) for w in ws], vectors=[rounded(x) for x in v[:3]],
                          anchors={str(k): round(w, 6) for k, w in sorted(g.question_sparse(v).items())} if len(v) else {}))
    example = ngrams("chairs")
    with open(os.path.join(a.out, "expected.json"), "w", encoding="utf-8") as f:
        json.dump(dict(model=g.manifest["id"], revision=g.manifest["revision"], page_graph_sha256=g.manifest["files"]["page.onnx"]["sha256"],
                       example=dict(word="chairs", ngrams=example, ids=ids("chairs")), pages=pages, questions=asked), f, ensure_ascii=False)
    print({p["image"]: (len(p["kept"]), p["turns"], len(p["unsure"])) for p in pages}, os.path.getsize(os.path.join(a.out, "expected.json")))


if __name__ == "__main__":
    main()
