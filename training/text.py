"""Words for drawn pages: of a real vocabulary, made up, numbers, dates, codes, short words. Random: nothing to memorise.

A token is what is drawn; `parts` says which words a reader finds in it.
"""
from fonts import CYRILLIC, GREEK, LETTERS
from words import MAX_CHARS, fold, spans

ACCENTED = dict(a="àáâãäåąă", c="çćč", d="ďđ", e="èéêëęě", g="ğ", i="ìíîï", l="łľ", n="ñńň", o="òóôõöøő", r="ř", s="śšşß", t="ťţ",
                u="ùúûüůű", y="ýÿ", z="źżž")
LOOK_ALIKE = {"l": "i1", "i": "l1j", "1": "l7", "o": "0ce", "0": "o8", "e": "co", "c": "eo", "m": "n", "n": "mhru", "h": "bn",
              "b": "hd6", "u": "vn", "v": "uy", "5": "s6", "s": "5", "8": "b30", "3": "8", "6": "b85", "7": "1", "t": "fl", "f": "t",
              "g": "qy9", "q": "gp", "9": "g4", "4": "9", "a": "oe", "r": "n", "d": "bcl", "y": "vg", "p": "q", "w": "v", "2": "z", "z": "2"}
# How often a taste draws each kind of token: words, made-up words, numbers, codes, short words, identifiers.
TASTES = {"plain": (62, 6, 8, 8, 16, 0), "strange": (12, 26, 8, 12, 24, 18), "short": (5, 2, 10, 18, 65, 0), "figures": (10, 2, 60, 18, 10, 0)}
LIKES = {"short": 0.25, "figures": 0.25}        # how often a token is like the one before; .12 in the other tastes


def parts(token):
    """[(folded word, first character, end)] of a token."""
    if token.isascii():
        f, at = token.lower(), None
    else:
        f, at = "", []
        for i, c in enumerate(token):
            g = fold(c)
            f += g
            at += [i] * len(g)
        at.append(len(token))
    found = [(f[a:b].replace(",", ".")[:MAX_CHARS], a, min(b, a + MAX_CHARS)) for a, b in spans(f)]
    return found if at is None else [(w, at[a], at[b - 1] + 1) for w, a, b in found]


def look_alike(word, rng):
    """One edit, mostly between characters of similar shape; the case stays."""
    i, r = rng.randrange(len(word)), rng.random()
    c = word[i].lower()
    if r < 0.4 and c in LOOK_ALIKE:
        new = rng.choice(LOOK_ALIKE[c])
    else:
        new = rng.choice("0123456789" if c.isdigit() else LETTERS)
    new = new.upper() if word[i].isupper() else new
    if r < 0.75:
        return word[:i] + new + word[i + 1:]
    if r < 0.85 and len(word) > 2:
        return word[:i] + word[i + 1:]
    return word[:i] + new + word[i:]


class Text:
    """Tokens in the scripts that a font has. `vocabulary`: {"latin": [...], "greek": [...], "cyrillic": [...]}."""

    def __init__(self, rng, vocabulary, scripts, taste):
        self.r, self.s, self.weights = rng, scripts, TASTES[taste]
        self.v, self.other = vocabulary["latin"], {k: vocabulary[k] for k in ("greek", "cyrillic") if k in scripts}
        self.foreign = rng.choice((0, 0, 0.15, 0.9)) if self.other else 0     # share of words in Greek or Cyrillic
        self.last, self.likes = None, LIKES.get(taste, 0.12)

    def number(self):
        r = self.r
        return r.choice([lambda: str(r.randrange(10 ** r.randrange(1, 7))), lambda: str(r.randrange(100, 10 ** r.randrange(3, 7))), lambda: str(r.randrange(10 ** r.randrange(2, 6))),
                         lambda: str(r.randrange(1900, 2031)), lambda: f"+{r.randrange(99)} {r.randrange(100, 999)} {r.randrange(10000, 99999)}",
                         lambda: f"{r.randrange(1, 9999):,}.{r.randrange(100):02d}", lambda: f"{r.randrange(10000)},{r.randrange(100):02d}",
                         lambda: f"{r.randrange(1, 29)}/{r.randrange(1, 13)}/{r.randrange(1990, 2030)}",
                         lambda: f"{r.randrange(2000, 2030)}-{r.randrange(1, 13):02d}-{r.randrange(1, 29):02d}",
                         lambda: f"{r.randrange(20)}.{r.randrange(30)}.{r.randrange(100)}", lambda: f"{r.randrange(24)}:{r.randrange(60):02d}",
                         lambda: f"{r.randrange(101)}%", lambda: f"0x{r.randrange(65536):04X}"])()

    def code(self):
        r = self.r
        letters = "".join(r.choice(LETTERS.upper()) for _ in range(r.randrange(1, 4)))
        number = r.choice((r.randrange(10), r.randrange(1000), f"{r.randrange(20)}.{r.randrange(100)}"))
        return r.choice([lambda: f"{letters}-{r.randrange(10 ** r.randrange(2, 6))}", lambda: f"{letters}{r.randrange(10 ** r.randrange(1, 6))}",
                         lambda: f"{r.randrange(100)}{letters}{r.randrange(100)}", lambda: f"{number}{letters.lower()}", lambda: f"{number}{letters}", lambda: f"{letters.lower()}{r.randrange(10 ** r.randrange(1, 4))}",
                         lambda: f"{r.choice(self.v)[:5]}{r.randrange(100)}", lambda: "".join(r.choice("0123456789abcdef") for _ in range(r.randrange(3, 9))),
                         lambda: f"{letters}.{r.randrange(99)}-{r.randrange(999)}", lambda: f"{r.choice(self.v)}_{r.choice(self.v)}",
                         lambda: f"--{r.choice(self.v)}-{r.choice(self.v)}", lambda: f"{r.choice(self.v)}.{r.choice(self.v)}()"])()

    def short(self):
        r, x = self.r, self.r.random()
        if x < 0.45:
            w = "".join(r.choice(LETTERS) for _ in range(r.choice((2, 3, 3, 3, 3, 4))))
        elif x < 0.75:
            a = r.choice(self.v)
            n = r.choice((2, 3, 3, 3, 4))
            i = r.randrange(max(1, len(a) - n + 1))
            w = a[i:i + n]
        elif x < 0.9:
            w = "".join(r.choice(LETTERS + "0123456789") for _ in range(r.choice((3, 3, 4, 5, 6))))
        else:
            w = str(r.randrange(10 ** r.randrange(2, 5)))
        return r.choice((w, w, w.upper(), w.capitalize()))

    def made_up(self):
        """A word that no vocabulary has: the head of one and the tail of another, in any case, sometimes with a digit."""
        r = self.r
        a, b = r.choice(self.v), r.choice(self.v)
        w = (a[:r.randrange(1, len(a) + 1)] + b[r.randrange(len(b)):])[:r.choice((5, 8, 12, 20))]
        x = r.random()
        w = w.upper() if x < 0.2 else a.capitalize() + b.capitalize() if x < 0.35 else w.capitalize() if x < 0.5 else w
        return w + str(r.randrange(100)) if r.random() < 0.08 else w

    def identifier(self):
        """Two to four words of the vocabulary as programs write them: longNameOfSomething, LONG_NAME, longname@."""
        r = self.r
        some = [r.choice(self.v) for _ in range(r.choice((2, 2, 2, 3, 3, 4)))]
        joined = r.choice((lambda: some[0] + "".join(p.capitalize() for p in some[1:]), lambda: "".join(p.capitalize() for p in some),
                           lambda: "".join(some), lambda: "".join(some).upper(), lambda: "_".join(some).upper()))()[:40]
        return r.choice(("%s", "%s", "%s", "\\%s", "@%s", "-%s", "_%s", "$%s", "%s@", "\\%s{", "[%s]", "%s()", "<%s>", "%s=")) % joined

    def word(self):
        r = self.r
        if self.other and r.random() < self.foreign:
            script = r.choice(sorted(self.other))
            known, letters = self.other[script], GREEK if script == "greek" else CYRILLIC
            w = r.choice(known) if known and r.random() < 0.7 else "".join(r.choice(letters) for _ in range(r.randrange(2, 11)))
        else:
            w = r.choice(self.v)
            if "accents" in self.s and r.random() < 0.15:
                w = "".join(r.choice(ACCENTED[c]) if c in ACCENTED and r.random() < 0.25 else c for c in w)
        x = r.random()
        return w.capitalize() if x < 0.15 else w.upper() if x < 0.2 else w

    def token(self):
        """The next thing to draw; sometimes a look-alike of the one before, so that near words stand on one page."""
        r = self.r
        if self.last and len(self.last) > 2 and self.last.isascii() and self.last.isalnum() and r.random() < self.likes:
            t = look_alike(self.last, r)
        else:
            kinds = (self.word, self.made_up, self.number, self.code, self.short, self.identifier)
            t = r.choices(kinds, self.weights)[0]()
        self.last = t
        x = r.random()
        if x < 0.08:
            return t + r.choice(",;:")
        if x < 0.14:
            return t + "."
        return r.choice(("(%s)", '"%s"', "'%s'", "[%s]")) % t if x < 0.17 else t
