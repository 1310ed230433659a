"""Where the marked answers lie on their pages: the box of the words that state each, from the text layer as Poppler's `pdftotext
-bbox` reads it. Quire has no part in it.
"""
import html, re, subprocess

PAGE = re.compile(r'<page width="([\d.]+)" height="([\d.]+)">(.*?)</page>', re.S)
WORD = re.compile(r'<word xMin="([-\d.]+)" yMin="([-\d.]+)" xMax="([-\d.]+)" yMax="([-\d.]+)">(.*?)</word>', re.S)


def pages(pdf):
    """For each page its words, `(left, top, right, bottom, text)`, in fractions of the page."""
    text = subprocess.run(["pdftotext", "-bbox", pdf, "-"], check=True, capture_output=True, text=True).stdout
    found = []
    for width, height, words in PAGE.findall(text):
        width, height = float(width), float(height)
        found.append([
            (float(l) / width, float(t) / height, float(r) / width, float(b) / height, html.unescape(word))
            for l, t, r, b, word in WORD.findall(words)
        ])
    return found


def lines(words):
    """The words by lines that reach over the whole page, so that the cells of a row follow each other."""
    rows = []
    for word in sorted(words, key=lambda word: (word[1] + word[3]) / 2):
        middle = (word[1] + word[3]) / 2
        if rows and abs(middle - rows[-1][0]) < (word[3] - word[1]) * 0.4:
            rows[-1][1].append(word)
        else:
            rows.append((middle, [word]))
    return [word for _, row in rows for word in sorted(row)]


def box(words, marked):
    """The box of the words that read `marked`, in the order of the file or by lines; an error if there is none."""
    wanted = marked.split()
    for order in (words, lines(words)):
        texts = [word[4] for word in order]
        for at in range(len(texts) - len(wanted) + 1):
            if all(plain(a) == plain(b) for a, b in zip(texts[at:at + len(wanted)], wanted)):
                found = order[at:at + len(wanted)]
                return (min(w[0] for w in found), min(w[1] for w in found), max(w[2] for w in found), max(w[3] for w in found))
    raise SystemExit(f"not on its page: {marked!r}")


def plain(word):
    """Without punctuation at its end: a mark may end before it."""
    return word.rstrip(".,;:")
