"""Which font files pages are drawn with, and which are kept for measuring.

    python fonts.py FONT_FOLDER OUT.tar.gz --megabytes 20       packs the lighter files of every family, to travel
"""
import argparse, collections, os, random, tarfile, zlib
from fontTools.ttLib import TTFont

LETTERS = "abcdefghijklmnopqrstuvwxyz"
GREEK, CYRILLIC = "αβγδεζηθικλμνξοπρστυφχψω", "абвгдежзийклмнопрстуфхцчшщъыьэюя"
STYLES = 5                                                  # files a family: it is letter shapes that matter, not weights
HELD_OUT = 12                                               # one family in so many is never trained on
MOST_BYTES = 420_000                                        # heavier files hold other scripts


def covers(cmap):
    """Scripts of a character map, or None if it lacks the plain alphabet, its digits or its marks."""
    has = lambda text: all(ord(c) in cmap for c in text)
    if not has(LETTERS + LETTERS.upper() + "0123456789.,-/():"):
        return None
    return {s for s, text in (("accents", "éüßřłç"), ("greek", GREEK), ("cyrillic", CYRILLIC)) if has(text)}


def found(folder, held_out=False):
    """[(path, scripts)] of the usable files under a folder, one of every family first."""
    families = collections.defaultdict(list)
    for d, _, files in sorted(os.walk(folder)):
        for f in sorted(files):
            path = os.path.join(d, f)
            if not f.lower().endswith((".ttf", ".otf")) or os.path.islink(path) or os.path.getsize(path) > MOST_BYTES:
                continue
            try:
                font = TTFont(path, lazy=True)
                cmap, name = font.getBestCmap(), font["name"].getBestFamilyName()
            except Exception:                               # a damaged file is no font
                continue
            if cmap and name and covers(cmap) is not None and (zlib.crc32(name.encode()) % HELD_OUT == 0) == held_out:
                families[name].append((path, covers(cmap)))
    rng, out = random.Random(1), []
    for _, files in sorted(families.items()):
        rng.shuffle(files)
        out += list(enumerate(files[:STYLES]))
    return [f for _, f in sorted(out, key=lambda t: t[0])]


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("fonts"), ap.add_argument("out"), ap.add_argument("--megabytes", type=float, default=20)
    a = ap.parse_args()
    train, measure = found(a.fonts), found(a.fonts, True)
    files = [path for pair in zip(train, measure) for path, _ in pair] + [path for path, _ in train]
    n = 0
    with tarfile.open(a.out, "w:gz", compresslevel=4) as tar:
        for path in dict.fromkeys(files):
            if tar.fileobj.fileobj.tell() > a.megabytes * 1e6:
                break
            tar.add(path, os.path.basename(path))
            n += 1
    print(n, "font files")


if __name__ == "__main__":
    main()
