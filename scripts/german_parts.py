"""Makes src/derive/terms/german.txt: the words that German compounds are made of, one a line, folded as terms are.

    apt-get install tesseract-ocr tesseract-ocr-deu tesseract-ocr-eng
    python scripts/german_parts.py > src/derive/terms/german.txt

The words come from the word lists of Tesseract's language data (Apache-2.0; tessdata_fast 4.1.0), which were taken from the web. What is
a part of a compound is told by the list itself: words that other words of the list begin and end with. Compounds of parts and inflected
forms are left out: src/derive/terms/compounds.rs knows how they are made. English words that would be taken apart are kept whole. A
changed list is a changed recipe: raise TERMS_VERSION in src/derive/recipe.rs.
"""
import collections, os, re, subprocess, tempfile, unicodedata

TESSDATA = "/usr/share/tesseract-ocr/5/tessdata"
# As in compounds.rs: what stands between two parts, and behind the last, with what each costs.
LINKS = {"": 0, "s": 1, "n": 1, "en": 2, "es": 2, "er": 4, "e": 4}
ENDINGS = LINKS | {"ern": 2, "nen": 2}
DROPPED_E, PART = 3, 10
MIN_WORD, MIN_PART, MAX_PART = 7, 3, 13
# Parts of three letters are named, or everything would be made of them.
SHORT = set("alt amt arm arzt bad bau bus eis erb gas hof hut neu not ort rad rat see tag tee tor tur uhr weg zug".split())
FUNCTION_WORDS = set(
    "abge aber alle allen ange auch aufge ausge auss ausser beim dass dein dem den der des die das diese dieser durch eine einer eines "
    "einem einen einge gegen habe haben hier hinter ihre ihren ihrer immer kein keine mein mehr mich nach nicht noch oder ohne schon sehr "
    "sein seine seiner seinen sich sind sowie uber unser unter viel viele vom von wegen weil wenn wider wird wieder wohl zum zur zuruck "
    "zusammen".split())
SUFFIXES = set(
    "lich liche lichen licher isch ische heit heiten keit keiten schaft schaften chen lein ende enden erin innen ionen ungen tion tionen "
    "ling linge ment mente ierung ierungen barkeit losigkeit ismus atur erei igkeit igung".split())
# Cut words of the list, and words that more foreign words end with than German ones.
NOT_PARTS = set("asse asses ante este able ables rent reste rech verd vers inter inten polis tran trans tele endes hafte haft derte rische rischen risch histo veran gene folg".split())
FRAGMENT = re.compile(
    "(un|ver|be|ge|ent|er|zer|an|ab|auf|aus|ein|vor|zu|um|nach|bei|mit|fest|weg|los|hin|her)(ge|zu|be|ver|an|ab|sch|st|[bcdfgklmnprstvwz])?"
    "|.?(ung|ungs|ungen|ten|ter|ters|ting|ding|ping|sen|nen|ken)")


def fold(word):
    """As src/derive/terms.rs folds, as far as German goes."""
    word = word.lower().replace("ß", "ss").replace("æ", "ae").replace("œ", "oe").replace("ø", "o")
    return "".join(c for c in unicodedata.normalize("NFD", word) if not "\u0300" <= c <= "\u036f")


def word_list(language):
    with tempfile.TemporaryDirectory() as folder:
        at = lambda name: os.path.join(folder, "t." + name)
        subprocess.run(["combine_tessdata", "-u", f"{TESSDATA}/{language}.traineddata", at("")], check=True, capture_output=True)
        subprocess.run(["dawg2wordlist", at("lstm-unicharset"), at("lstm-word-dawg"), at("words")], check=True, capture_output=True)
        with open(at("words"), encoding="utf-8") as words:
            plain = (word.strip() for word in words)
            return [word for word in plain if word.isalpha() and len(word) >= MIN_PART and word[1:].islower()]


def in_two(word, parts):
    """Pairs of parts that the word may be made of."""
    for cut in range(MIN_PART, len(word) - MIN_PART + 1):
        head, tail = word[:cut], word[cut:]
        last = next((base for base, _ in bases(tail, ENDINGS, parts)), None)
        if last:
            for base, _ in bases(head, LINKS, parts):
                yield base, last
            if head + "e" in parts:
                yield head + "e", last


def bases(text, endings, parts):
    for ending, cost in endings.items():
        base = text.removesuffix(ending)
        if text.endswith(ending) and len(base) >= MIN_PART and base in parts:
            yield base, cost


def is_compound(word, parts):
    """Whether compounds.rs would take it apart."""
    if len(word) < MIN_WORD or any(True for _ in bases(word, ENDINGS, parts)):
        return False
    reached = {0}
    for end in range(MIN_PART, len(word) + 1):
        for start in [start for start in reached if end - start >= MIN_PART]:
            part, last = word[start:end], end == len(word)
            if any(True for _ in bases(part, ENDINGS if last else LINKS, parts)) or (not last and len(part) > MIN_PART and part + "e" in parts):
                reached.add(end)
                break
    return len(word) in reached


def productive(words, pool):
    """Words of the pool that others begin or end with, and long ones in any case. Each compound counts once, for the pair whose rarer part was
    least rare in the round before."""
    parts, before = set(pool), {}
    for _ in range(4):
        count = collections.Counter()
        for word in sorted(word for word in words if len(word) >= MIN_WORD):
            pairs = [pair for pair in in_two(word, parts) if word not in pair]
            if pairs:
                shortest = lambda pair: min(map(len, pair))
                rarest = lambda pair: min(before.get(part, 0) for part in pair) if before else shortest(pair)
                count.update(max(pairs, key=lambda pair: (shortest(pair) >= 4, rarest(pair))))
        needed = lambda word: 0 if len(word) >= 7 else 1 if len(word) >= 5 else 3
        parts = {word for word in parts if word in SHORT or count[word] >= needed(word)}
        before = count
    return parts, count


def main():
    words = word_list("deu")
    nouns = {fold(word) for word in words if word[0].isupper()}
    words = set(map(fold, words))
    pool = {word for word in words if 4 <= len(word) <= MAX_PART and not FRAGMENT.fullmatch(word)} | SHORT
    parts, count = productive(words, pool - FUNCTION_WORDS - SUFFIXES - NOT_PARTS)
    # `Hersteller` is no form of `herstell`
    inflected = lambda word: any(word.endswith(ending) and len(base := word.removesuffix(ending)) >= 6 and base in parts
                                 for ending in ("s", "n", "en", "es", "e"))
    kept = {word for word in parts if (word in nouns or count[word] >= 2) and not inflected(word)}
    solid = {word for word in kept if word in SHORT or len(word) >= 5 or count[word] >= 6}
    kept = {word for word in kept if not is_compound(word, solid - {word})}
    english = {word for word in map(fold, word_list("eng")) if len(word) <= MAX_PART and is_compound(word, kept)}
    print("\n".join(sorted(kept | {word for word in english if word.removesuffix("s") not in english - {word}})))


if __name__ == "__main__":
    main()
