"""Text rules of the glyph model: how a string becomes words, and a word becomes n-gram ids.

This file is the reference for the Rust side (README.md says the same in prose). It must never depend on a font, a page or a
model: the same string gives the same ids everywhere.
"""
import unicodedata

MAX_CHARS = 24          # a longer word is cut: 24 characters are about as wide as the page side can see
BUCKETS = 16384         # rows of the n-gram table; a power of two
# Letters that Unicode does not decompose but that readers type without their mark.
FOLD = {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "ħ": "h",
        "ŋ": "n", "ς": "σ", "ŧ": "t"}


def fold(text):
    """NFKD, lower-case, combining marks (category Mn) dropped, FOLD applied, in that order, character by character."""
    out = []
    for c in unicodedata.normalize("NFKD", text):
        for d in c.lower():
            if unicodedata.category(d) != "Mn":
                out.append(FOLD.get(d, d))
    return "".join(out)


def is_word_char(c):
    """A letter (L*) or a number (N*)."""
    return unicodedata.category(c)[0] in "LN"


def is_decimal(c):
    """A decimal digit (Nd)."""
    return unicodedata.category(c) == "Nd"


def spans(folded):
    """Words of an already folded string as (start, end): maximal runs of word characters, where one '.' or ',' between two
    decimal digits belongs to the run ('3.14', '1,234.56'). Everything else separates ('foo_bar', 'AB-1234', "l'homme")."""
    found, i, n = [], 0, len(folded)
    while i < n:
        if not is_word_char(folded[i]):
            i += 1
            continue
        j = i + 1
        while j < n:
            if is_word_char(folded[j]):
                j += 1
            elif folded[j] in ".," and j + 1 < n and is_decimal(folded[j - 1]) and is_decimal(folded[j + 1]):
                j += 2
            else:
                break
        found.append((i, j))
        i = j
    return found


def words(text):
    """Words of a text: folded, ',' inside a number written as '.', cut to MAX_CHARS."""
    f = fold(text)
    return [f[a:b].replace(",", ".")[:MAX_CHARS] for a, b in spans(f)]


def question_words(text, stop):
    """Words that a question is scored by: duplicates removed (first kept); stop words and single characters that are not
    digits dropped, unless nothing else is left."""
    seen = list(dict.fromkeys(words(text)))
    kept = [w for w in seen if w not in stop and (len(w) > 1 or is_decimal(w))]
    return kept or seen


def fnv1a(data):
    """FNV-1a, 32 bits."""
    h = 0x811C9DC5
    for b in data:
        h = ((h ^ b) * 0x01000193) & 0xFFFFFFFF
    return h


def ngrams(word):
    """The strings whose hashes stand for a word (already folded and cut). Order does not matter to the model; it is fixed so
    that ids can be compared: all 'g', then all 's'/'e', then 'w'."""
    out, n, framed = [], len(word), "^" + word + "$"
    for k in (1, 2, 3, 4):                       # bag of n-grams; from 2 on with the word's ends
        s = word if k == 1 else framed
        out += ["g:" + s[i:i + k] for i in range(len(s) - k + 1)]
    for k in (1, 2):                             # the same with their place from the start and from the end
        for i in range(n - k + 1):
            out.append(f"s{i}:{word[i:i + k]}")
            out.append(f"e{n - k - i}:{word[i:i + k]}")
    out.append("w:" + word)
    return out


_cache = {}


def ids(word):
    """n-gram ids of a word: FNV-1a of the UTF-8 bytes of each n-gram string, modulo BUCKETS."""
    r = _cache.get(word)
    if r is None:
        r = [fnv1a(g.encode()) & (BUCKETS - 1) for g in ngrams(word)]
        if len(_cache) < 400_000:
            _cache[word] = r
    return r
