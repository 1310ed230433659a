"""MODEL_CARD.md of the model folder from the evaluation's figures and the training log.

    python make_card.py --model models/quire-glyph --figures FIGURES.json --log RUN/log.txt --date 2026-11-21 [--note TEXT]
"""
import argparse, json, os, re

KINDS = [("words3to6", "3 to 6 rare words"), ("phrase9", "nine-word phrase"), ("single", "one rare word"), ("short", "three letters, numbers, codes"),
         ("accent", "3 to 6 rare words with accents"), ("hand", "50 hand-written questions")]


def rows(part):
    out = ["| questions | n | r@1 | r@5 | anchors r@100 | anchors + rerank r@5 | BM25 on the text layer r@1 / r@5 |", "|---|---|---|---|---|---|---|"]
    for k, name in KINDS:
        if k in part["kinds"]:
            f = part["kinds"][k]
            out.append(f"| {name} | {f['glyph']['n']} | {f['glyph']['r1']:.3f} | {f['glyph']['r5']:.3f} | {f['prefetch']['r100']:.3f} | "
                       f"{f['rerank']['r5']:.3f} | {f['bm25']['r1']:.3f} / {f['bm25']['r5']:.3f} |")
    return "\n".join(out)


def worlds(part):
    names = sorted({k.split(" ", 1)[1] for k in part["worlds"]})
    kinds = [k for k, _ in KINDS if k not in ("hand", "accent")]
    out = ["| world | " + " | ".join(f"{k} r@5 (n)" for k in kinds) + " |", "|---|" + "---|" * len(kinds)]
    for w in names:
        cells = [part["worlds"].get(f"{k} {w}") for k in kinds]
        out.append(f"| {w} | " + " | ".join(f"{c['r5']:.2f} ({c['n']})" if c else "" for c in cells) + " |")
    return "\n".join(out)


def main():
    ap = argparse.ArgumentParser()
    for n in ("model", "figures", "log", "date"):
        ap.add_argument("--" + n, required=True)
    ap.add_argument("--note", default="")
    a = ap.parse_args()
    f, m = json.load(open(a.figures)), json.load(open(os.path.join(a.model, "manifest.json")))
    log = [l.strip() for l in open(a.log) if re.match(r"[0-9.]+ min step \d+ ", l) or l.startswith(("dev at", "end of"))]
    lines = [l for l in log if l[0] in "de"] + [l for n, l in enumerate(l for l in log if l[0] not in "de") if n % 4 == 0]
    clean = f["clean"]
    scans = f"""
## The same pages as scans

{f['scans']['pages']} pages of which some are replaced by simulated 300-dpi scans (skew up to 3 degrees, noise, uneven light, photocopy contrast or faint
ink, JPEG 40); only questions about those pages. First clean, then scanned.

{rows(f['clean_same_questions'])}

{rows(f['scans'])}
""" if "scans" in f else ""
    text = f"""# quire-glyph

A small late-interaction visual retriever, the page model that Quire uses when no other is named. A page image becomes vectors of its words, a question
one vector a word; MaxSim ranks. **It matches what is written, not what is meant**: no synonyms, no translation, no pictures, no handwriting. For meaning,
use a ColPali model.

Revision {m['revision']}, licence {m['license']}, {sum(v['bytes'] for v in m['files'].values()) / 1e6:.1f} MB, about {clean['vectors_a_page']:.0f} vectors a page. {a.note}

## Data

Pages of PDFs in Debian documentation packages (named in training/packages-train.txt) with the character boxes that PDFium gives, and about 800 synthetic
pages (random words, numbers, codes, accents, Greek, Cyrillic) in about 200 free fonts, printed by Chromium. No page of the held-out packages was seen.
The folder holds no text of those documents: weights, and vectors of the 8,192 commonest words.

## Method

A residual convolutional network (2 M parameters: strokes at 1/4, characters at 1/8, words at 1/16 of an 832 x 1152 canvas; 1x7 convolutions see long words)
gives each 16 x 16 cell a vector and a gate value. First trained on which character stands where, then words against cells and cells against words (InfoNCE)
with look-alike words as negatives. The gate learns which cells words chose; only those are kept. Questions: hashed positional n-grams of each word in a
16,384-row table and two residual layers. The page graph is int8 (static, per channel, 7-bit weights, so that CPUs without VNNI do not saturate), the
n-gram table int8 with a scale a row. training/README.md has the contract.

## Figures of {a.date}

{clean['pages']} held-out pages of packages never trained on. Recall: a hit is any page on which all the words stand. A rare word stands on at most one page in a
hundred ("one rare word": on exactly one; "short": on at most three).

{rows(clean)}

Chance is {5 / clean['pages']:.3f} at 5.

By typographic world:

{worlds(clean)}
{scans}
## Limits

- Printed Latin script; accents are folded away. Greek and Cyrillic are learned from few pages and not measured; other scripts do not work.
- Text below about 6 points on A4, handwriting, strongly decorative fonts and text turned by more than a few degrees are not read.
- A word broken at a line's end is found by its parts only. Words longer than 24 characters are cut.
- Single letters, and very short words in general, are weak: ask with more than one word.
- The text layer's own errors count as the model's in these figures (BM25 reads that layer; the model looks at the page).

## Training log

Machine: two shared cores. Log of the last run ("cells", "words": the two InfoNCE losses; "gate"; "char"):

```
{chr(10).join(lines)}
```
"""
    with open(os.path.join(a.model, "MODEL_CARD.md"), "w", encoding="utf-8") as out:
        out.write(text)


if __name__ == "__main__":
    main()
