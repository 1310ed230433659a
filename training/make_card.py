"""MODEL_CARD.md of the model folder from what `quire eval` found and the training log.

    quire --data-dir D eval SET --json > EVAL.json
    python make_card.py --model models/quire-glyph --eval EVAL.json --log RUN/log.txt --date 2026-11-21 [--note TEXT] [--remark TEXT]
"""
import argparse, json, os, re

KINDS = [("words3to6", "3 to 6 rare words"), ("phrase9", "nine-word phrase"), ("single", "one rare word"), ("short", "three letters, numbers, codes"),
         ("accent", "3 to 6 rare words with accents"), ("script", "3 to 6 rare words in Greek or Cyrillic"), ("hand", "50 hand-written questions"),
         ("large", "large letters: titles, covers, slides, cards, labels, snips"), ("long", "long and large pages: receipts, chats, timelines, drawings"),
         ("turned", "scans and tables turned by 90, 180, 270 degrees")]


DRAWN = ("large", "long", "turned")        # their pages stand among the scans as they are
COLUMNS = [("anchors", "anchors (by looks alone)"), ("exact", "exact MaxSim"), ("text", "BM25 on the text layer")]
SEEING = COLUMNS[:2]       # the plans that scans can be asked with


def kinds_of(report):
    return {k["kind"]: k for k in report["kinds"]}


def rows(report):
    """A line a kind of question, from `quire eval --json`."""
    out = ["| questions | n | " + " | ".join(f"{title} @1 | @5" for _, title in COLUMNS) + " | random @5 |", "|---|---|" + "---|---|" * len(COLUMNS) + "---|"]
    found = kinds_of(report)
    for kind, name in KINDS:
        if kind in found:
            plans = found[kind]["plans"]
            cells = [f"{plans[plan][at]:.3f}" for plan, _ in COLUMNS for at in ("at_1", "at_5")]
            out.append(f"| {name} | {found[kind]['questions']} | " + " | ".join(cells) + f" | {plans['random']['at_5']:.3f} |")
    return "\n".join(out)


def beside_scans(clean, scans):
    """recall@5 of the same questions about the same pages, clean and scanned."""
    out = ["| questions | n | " + " | ".join(f"{title}: clean @5 | scanned | scanned / clean" for _, title in SEEING) + " |", "|---|---|" + "---|---|---|" * len(SEEING)]
    clean, scans = kinds_of(clean), kinds_of(scans)
    for kind, name in KINDS:
        if kind in clean and kind in scans and kind not in DRAWN:
            pairs = [[report[kind]["plans"][plan]["at_5"] for report in (clean, scans)] for plan, _ in SEEING]
            out.append(f"| {name} | {scans[kind]['questions']} | " + " | ".join(f"{c:.3f} | {s:.3f} | {s / c:.3f}" for c, s in pairs) + " |")
    return "\n".join(out)


def main():
    ap = argparse.ArgumentParser()
    for n in ("model", "eval", "log", "date"):
        ap.add_argument("--" + n, required=True)
    ap.add_argument("--scans", help="`quire eval SET --documents scans --json`")
    ap.add_argument("--note", default="", help="how it was trained, behind the size")
    ap.add_argument("--remark", default="", help="what the figures need to be understood, behind their table")
    a = ap.parse_args()
    report, m = json.load(open(a.eval)), json.load(open(os.path.join(a.model, "manifest.json")))
    log = [l.strip() for l in open(a.log) if re.match(r"[0-9.]+ min step \d+ ", l) or l.startswith(("dev at", "end of"))]
    lines = [l for l in log if l[0] in "de"] + [l for n, l in enumerate(l for l in log if l[0] not in "de") if n % 10 == 0]
    scans = ""
    if a.scans:
        scanned = json.load(open(a.scans))
        if scanned["pages"] != report["pages"]:
            raise SystemExit(f"{scanned['pages']} scans beside {report['pages']} pages: only the same pages can be compared")
        scans = f"""
## The same pages as scans

All pages once more, each as a simulated 300-dpi scan (skew up to 3 degrees, noise, uneven light, photocopy contrast or faint ink, JPEG 40), in an index
of scans alone; the same questions.

{beside_scans(report, scanned)}
"""
    text = f"""# quire-glyph

A small late-interaction visual retriever, the page model that Quire uses when no other is named. A page image becomes vectors of its words, a question
one vector a word; MaxSim ranks. **It matches what is written, not what is meant**: no synonyms, no translation, no pictures, no handwriting. For meaning,
use a ColPali model.

Revision {m['revision']}, licence {m['license']}, {sum(v['bytes'] for v in m['files'].values()) / 1e6:.1f} MB, {a.note}

## Data

Pages of PDFs in Debian documentation packages (named in training/packages-train.txt) with the character boxes that PDFium gives, and pages that are
drawn while it trains, in letters of every size and many free fonts (random and made-up words, numbers, codes, accents, Greek, Cyrillic, titles, cards, labels).
No page of the held-out packages was seen. The folder holds no text of those documents: weights, and vectors of the 8,192 commonest words.

## Method

A residual convolutional network (2 M parameters: strokes at 1/4, characters at 1/8, words at 1/16 of the canvas; 1x7 convolutions see long words)
gives each 16 x 16 cell a vector and a gate value. Earlier revisions were first trained on which character stands where; since then, words against cells and cells against words (InfoNCE)
with look-alike words, words of all training pages and cells of past batches as negatives; a word's own cells must win by a margin, and words
are kept apart from each other. The gate learns which cells words chose; only those are kept. Questions: hashed positional n-grams of each word in a
16,384-row table and two residual layers. The page graph is int8 (static, per channel, 7-bit weights, so that CPUs without VNNI do not saturate), the
n-gram table int8 with a scale a row. A page is looked at on canvases of up to 832 x 1152 pixels, of .35 and of .15 of that, so that letters of all sizes
are read; large and long pages are read in tiles, and pages on their side or head are turned. training/README.md has the contract.

## Figures of {a.date}

{report['pages']} held-out pages of packages never trained on, each a document of its own, indexed and asked by Quire itself (`make eval-builtin` builds the
set, indexes it and prints this table). A hit is any page on which all the words stand. Words are asked as a
reader sees them: not those that a line's end breaks, nor those that the text layer runs together, to which it adds a footnote mark, or where
it takes another font's symbols for letters. A rare word stands on at most one page in a hundred ("one rare
word": on exactly one; "short": on at most three).

{rows(report)}

{a.remark}
{scans}
## Limits

- Printed Latin script; accents are folded away. Greek and Cyrillic are learned from few pages; other scripts do not work.
- Text below about 6 points on A4, letters higher than about a tenth of the page, handwriting and strongly decorative fonts are not read, nor is text that is
  turned by more than a few degrees, but for quarter turns of most of a page.
- A word broken at a line's end is found by its parts only. Words longer than 24 characters are cut.
- Single letters, and very short words in general, are weak: ask with more than one word.
- The text layer's own errors count as the model's in these figures (BM25 reads that layer; the model looks at the page).

## Training log

Machine: one H200, ten minutes twice, from the weights of 2026-11-26c. Log of the last run ("cells", "words": the two InfoNCE losses; "gate"; "char"):

```
{chr(10).join(lines)}
```
"""
    with open(os.path.join(a.model, "MODEL_CARD.md"), "w", encoding="utf-8") as out:
        out.write(text)


if __name__ == "__main__":
    main()
