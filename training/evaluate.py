"""Retrieval figures on cached pages with any pair of functions (canvas -> vectors and kept cells; words -> vectors).

Questions are made from the words on the pages; a rare word is one that stands on few pages of the set. Scores are plain MaxSim."""
import random
import re
from collections import Counter, defaultdict
import numpy as np


def questions(metas, seed=0, each=400):
    """[(kind, words, relevant page indices)] from page metas (words, whole). `script`: as `words3to6`, in Greek or Cyrillic."""
    rng = random.Random(seed)
    df, where = Counter(), defaultdict(set)
    for i, m in enumerate(metas):
        for w in set(m["words"]):
            df[w] += 1
            where[w].add(i)
    standing = [whole(m) for m in metas]
    rare = [sorted(w for w in ws if df[w] <= max(3, len(metas) // 100) and len(w) >= 4 and w.isalpha()) for ws in standing]
    latin = [[w for w in r if w.isascii()] for r in rare]
    other = [[w for w in r if not any(c.isascii() for c in w)] for r in rare]
    only = [[w for w in r if df[w] == 1 and len(w) >= 5] for r in latin]
    out = []
    for kind, pool, lo, hi in (("words3to6", latin, 3, 6), ("script", other, 3, 6), ("single", only, 1, 1)):
        idx = [i for i in range(len(metas)) if len(pool[i]) >= 3]
        rng.shuffle(idx)
        for n in range(each if idx else 0):
            i = idx[n % len(idx)]
            ws = rng.sample(pool[i], rng.randint(lo, min(hi, len(pool[i]))))
            out.append((kind, ws, set.intersection(*(where[w] for w in ws)) if lo > 1 else where[ws[0]]))
    idx = [i for i in range(len(metas)) if len(metas[i]["words"]) > 60]
    made = 0
    while made < each:
        i = rng.choice(idx)
        a = rng.randrange(len(metas[i]["words"]) - 9)
        ws, ok = metas[i]["words"][a:a + 9], metas[i]["whole"][a:a + 9]
        if all(ok) and all(w.isascii() for w in ws) and len(set(ws)) >= 7 and sum(len(w) > 3 for w in ws) >= 4:
            joined = " ".join(ws)
            out.append(("phrase9", list(dict.fromkeys(ws)), {j for j in where[max(ws, key=len)] if " ".join(metas[j]["words"]).find(joined) >= 0}))
            made += 1
    standing = set().union(*standing)
    short = [(w, where[w]) for w in df if w in standing and df[w] <= 3 and (re.fullmatch("[a-z]{3}", w) or re.fullmatch("[0-9]{3,6}", w) or
             (3 <= len(w) <= 8 and re.search("[0-9]", w) and re.search("[a-z]", w)))]
    rng.shuffle(short)
    out += [("short", [w], p) for w, p in short[:each]]
    return out


def whole(meta):
    """Words of a page that a reader sees as they are listed."""
    return {w for w, k in zip(meta["words"], meta["whole"]) if k}


def ranks(scores, relevant):
    """1-based rank of the best relevant page."""
    order = np.argsort(-scores, kind="stable")
    return min(int(np.flatnonzero(order == r)[0]) + 1 for r in relevant)


def maxsim_scores(word_vectors, vectors, starts, chunk=256):
    """word_vectors [W, 128], vectors [N, 128] of all pages in page order, starts [P] -> [W, P] best cosine a page."""
    import torch
    v = torch.from_numpy(vectors)
    out = np.empty((len(word_vectors), len(starts)), np.float32)
    edges = list(starts) + [len(vectors)]
    for k in range(0, len(word_vectors), chunk):
        s = torch.from_numpy(word_vectors[k:k + chunk]) @ v.T
        for p in range(len(starts)):
            out[k:k + chunk, p] = s[:, edges[p]:edges[p + 1]].amax(1).numpy()
    return out


def table(qs, embed_words, vectors, starts):
    """{kind: {n, r1, r5, r20, mrr}}"""
    vocabulary = sorted({w for _, ws, _ in qs for w in ws})
    index = {w: i for i, w in enumerate(vocabulary)}
    best = maxsim_scores(embed_words(vocabulary), vectors, starts)
    out = defaultdict(list)
    for kind, ws, relevant in qs:
        out[kind].append(ranks(best[[index[w] for w in ws]].sum(0), relevant))
    return {k: dict(n=len(r), r1=float(np.mean([x <= 1 for x in r])), r5=float(np.mean([x <= 5 for x in r])),
                    r20=float(np.mean([x <= 20 for x in r]))) for k, r in out.items()}
