"""Trains the page and word nets from cached shards.

    python train.py --shards SHARDS --out RUN --minutes 50

Curriculum: first only which character stands where (cheap: the word layers are not run), then words and cells, with the
character loss kept. Learning rate: warm-up, then cosine to
the planned end, measured in wall-clock minutes, so that a busy machine still ends its schedule. Writes RUN/last.pt (averaged
weights) every few minutes and figures to RUN/log.txt.
"""
import argparse, copy, json, math, os, random, time
import numpy as np
import torch
import torch.nn.functional as F
from canvas import CELL
from dataset import Batches, Shards, keys_of, tensors_of, word_tensors
from evaluate import questions, table
from model import DIM, CharacterHead, PageNet, WordNet
from words import ids


def ink_of(b):
    return ((255 - b["canvas"].float()) / 255).contiguous(memory_format=torch.channels_last)


def character_loss(chars, features, b, sample):
    """Cross entropy of the two 4-pixel halves of `sample` patches that hold text."""
    m = b["map"].long()
    n, mh, mw = m.shape
    m = m.view(n * mh * (mw // 2), 2)
    at = torch.nonzero(m.amax(-1))[:, 0]
    if len(at) == 0:
        return features.sum() * 0
    at = at[torch.randint(len(at), (sample,))]
    f = features.permute(0, 2, 3, 1).reshape(-1, features.shape[1])[at].float()
    return F.cross_entropy(chars(f).flatten(0, 1), m[at].flatten())


SPREAD = 4.0            # sharpness of the mean over pairs of words that keeps them apart


class Memory:
    """Negatives that a batch has no room for: the cells that the words of the last steps chose, and words of the shards' whole
    vocabulary. An index holds hundreds of thousands of either, and single words are lost to the nearest of them. Both are
    constants to the loss. The words are embedded anew at every step: from vectors kept for longer the cells would only drift
    away, all together (seen with 400 steps: the loss rose by a fifth at every renewal)."""

    def __init__(self, vocabulary, cells=16384, words=6144):
        self.ids = [np.asarray(ids(w), np.int64) for w in vocabulary]
        self.word_keys, self.words = keys_of(vocabulary), words
        self.cells, self.keys = torch.zeros(cells, DIM, dtype=torch.bfloat16), torch.full((cells,), -1, dtype=torch.int32)
        self.at = 0

    @torch.no_grad()
    def some_words(self, word):
        at = torch.randint(len(self.ids), (self.words,))
        return word(**tensors_of([self.ids[i] for i in at.tolist()])), self.word_keys[at]

    def remember(self, cells, keys):
        at = (self.at + torch.arange(len(keys))) % len(self.keys)
        self.cells[at], self.keys[at] = cells.bfloat16(), keys
        self.at = (self.at + len(keys)) % len(self.keys)


def mass(cosine, same, s):
    """Sum of exp(s (cosine - 1)) over a row, without the entries of the row's own word. bfloat16 throughout: it is large."""
    return torch.exp(s * cosine.masked_fill(same, -1) - s).sum(1, dtype=torch.float32)


def margin_loss(own, others, s, margin):
    """Cross entropy of the own against the others, where the own must win by a margin (CosFace)."""
    own = own * math.exp(-s * margin)
    return (torch.log(others + own + 1e-30) - torch.log(own + 1e-30)).mean()


def one_each(cells, instance, keys):
    """The cell of one instance of each word, and the words' keys."""
    at = torch.full((len(keys),), -1).scatter_(0, instance, torch.arange(len(instance)))
    return cells[at[at >= 0]], keys[at >= 0]


def losses(page, word, chars, scale, b, memory, margin, spread):
    x = ink_of(b)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        vectors, gate, features = page(x)
    p, g = vectors.flatten(0, 1), gate.flatten()
    q = word(b["ids"], b["offsets"], b["counts"])
    s, u = scale, b["unique"]
    ink = F.avg_pool2d(x, CELL).flatten()
    # word -> cells: the cells at its centre against inked cells of the batch that do not touch the word. Half of the plain
    # cells are drawn at random: this part costs as much as the network otherwise.
    with torch.no_grad():
        pos = torch.zeros(u, len(p))
        pos[b["positive"][:, 0], b["positive"][:, 1]] = 1
        allowed = torch.ones(u, len(p))
        allowed[b["near"][:, 0], b["near"][:, 1]] = 0
        use = ((ink > 0.004) & (torch.rand(len(p)) < 0.5)) | (pos.amax(0) > 0)
        pos = pos[:, use]
        allowed = torch.maximum(allowed[:, use], pos)
    chosen = p[use]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cosine = q[:u] @ chosen.T
        past = q[:u] @ memory.cells.T
    e = torch.exp(s * (cosine.float() - 1))                 # cosines are at most 1: no maximum to look for
    others = (e * (allowed - pos)).sum(1) + mass(past, memory.keys == b["keys"][:, None], s)
    to_cells = margin_loss((e * pos).sum(1), others, s, margin)
    # instance -> words: its best cell against the whole bank
    with torch.no_grad():
        back = torch.cumsum(use.long(), 0) - 1
        cand = b["candidates"]
        cs = cosine.detach().float()[b["instance"][:, None], back[cand.clamp(min=0)]].masked_fill(cand < 0, -9)
        best = cand.gather(1, cs.argmax(1, keepdim=True))[:, 0]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        more, keys = memory.some_words(word)
        against, beyond = p[best] @ q.T, p[best] @ more.T
    e = torch.exp(s * (against.float() - 1))
    own = e.gather(1, b["instance"][:, None])[:, 0]
    others = (e.sum(1) - own).clamp(min=0) + mass(beyond, keys == b["keys"][b["instance"]][:, None], s)
    to_words = margin_loss(own, others, s, margin)
    # words apart from each other, all directions used alike: only differences count above, so that nothing there keeps the vectors
    # out of a narrow cone. Both sides are of this step: from constants the words would only drift away, all together.
    with torch.autocast("cpu", dtype=torch.bfloat16):
        apart = q[:u] @ q[u:].T
    narrow = torch.log(torch.exp(SPREAD * apart.float()).mean())
    # gate: cells that some word chose
    target = torch.zeros_like(g)
    target[best] = 1
    inked = (ink > 0.004) | (target > 0)
    gate_loss = F.binary_cross_entropy_with_logits(g[inked], target[inked])
    char_loss = character_loss(chars, features, b, 2500)
    total = to_cells + to_words + spread * narrow + 0.3 * gate_loss + 0.2 * char_loss
    return total, dict(cells=to_cells, words=to_words, narrow=narrow, gate=gate_loss, char=char_loss), one_each(p.detach()[best], b["instance"], b["keys"])


class Average:
    """Exponential moving average of a module's weights and buffers."""

    def __init__(self, module):
        self.module, self.mean = module, copy.deepcopy(module).eval()

    @torch.no_grad()
    def update(self, decay):
        for a, b in zip(self.mean.state_dict().values(), self.module.state_dict().values()):
            if a.dtype.is_floating_point:
                a.lerp_(b, 1 - decay)
            else:
                a.copy_(b)


def word_embedder(word):
    @torch.no_grad()
    def embed(ws):
        return word(**word_tensors(ws)).numpy()
    return embed


@torch.no_grad()
def development(page, word, shards, threshold=0.3, each=300):
    vectors, starts, kept, recall = [], [], 0, []
    for i in range(len(shards)):
        canvas, _, m = shards.get(i)
        x = torch.from_numpy((255 - canvas).astype(np.float32) / 255)[None, None].contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            v, g, _ = page(x)
        keep = torch.sigmoid(g[0]) > threshold
        keep[0] |= ~keep.any()
        starts.append(kept)
        vectors.append(v[0][keep].numpy())
        kept += int(keep.sum())
    out = table(questions([m for *_, m in shards.pages], each=each), word_embedder(word), np.concatenate(vectors), starts)
    out["kept"] = kept / len(shards)
    return out


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--shards", required=True), ap.add_argument("--out", required=True)
    ap.add_argument("--minutes", type=float, default=50)
    ap.add_argument("--crops", type=int, default=4)
    ap.add_argument("--character-part", type=float, default=0.1, help="share of the time for characters alone")
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--resume"), ap.add_argument("--warm-up", type=int, default=60, help="steps")
    ap.add_argument("--strength", type=float, default=0.85, help="augmentation at its fullest, 0..1")
    ap.add_argument("--threads", type=int, default=2, help="1 is faster on a machine that others use too")
    ap.add_argument("--start-progress", type=float, default=0.0, help="where in the schedule a resumed run begins")
    ap.add_argument("--lr", type=float, default=2.5e-3)
    ap.add_argument("--margin", type=float, default=0.1, help="by how much a word's own cell must be nearer than any other (cosine)")
    ap.add_argument("--spread", type=float, default=0.6, help="weight of keeping words apart")
    ap.add_argument("--scale", type=float, default=50, help="of cosines before the softmax")
    ap.add_argument("--eval-minutes", type=float, default=12)
    ap.add_argument("--dev-pages", type=int, default=200)
    a = ap.parse_args()
    os.makedirs(a.out, exist_ok=True)
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    page, word, chars = PageNet().to(memory_format=torch.channels_last), WordNet(), CharacterHead()
    if a.resume:
        c = torch.load(a.resume)
        page.load_state_dict(c["page"]), word.load_state_dict(c["word"]), chars.load_state_dict(c["chars"])
    nets = [Average(page), Average(word)]
    table_params = [word.table.weight]
    rest = [p for n in (page, chars) for p in n.parameters()] + [p for k, p in word.named_parameters() if "table" not in k]
    groups = [dict(params=[p for p in rest if p.dim() > 1], weight_decay=0.02, base=a.lr),
              dict(params=[p for p in rest if p.dim() <= 1], weight_decay=0.0, base=a.lr),
              dict(params=table_params, weight_decay=0.0, base=a.lr * 2)]
    opt = torch.optim.AdamW(groups, lr=a.lr, betas=(0.9, 0.98), eps=1e-7)
    strength = torch.multiprocessing.Value("d", 0.0)
    if a.resume and [len(g["params"]) for g in c["opt"]["param_groups"]] == [len(g["params"]) for g in groups]:
        opt.load_state_dict(c["opt"])
        for g, asked in zip(opt.param_groups, groups):
            g["base"] = asked["base"]
    loader = iter(torch.utils.data.DataLoader(Batches([os.path.join(a.shards, "train")], a.crops, a.seed, strength=strength), batch_size=None,
                                              num_workers=1, prefetch_factor=3))
    memory = Memory(Batches.vocabulary(Shards([os.path.join(a.shards, "train")]))[0])
    dev = Shards([os.path.join(a.shards, "dev")])
    random.Random(0).shuffle(dev.pages)
    dev.pages = dev.pages[:a.dev_pages]
    log = open(os.path.join(a.out, "log.txt"), "a")

    def say(*xs):
        line = " ".join(map(str, xs))
        print(line, flush=True)
        log.write(line + "\n"), log.flush()

    def save(name):
        torch.save(dict(page=nets[0].mean.state_dict(), word=nets[1].mean.state_dict(), chars=chars.state_dict(),
                        args=vars(a), step=step, opt=opt.state_dict()), os.path.join(a.out, name))

    start, last_eval, last_save, step, sums, waits = time.time(), time.time(), time.time(), 0, {}, 0.0
    while True:
        t0 = time.time()
        progress = a.start_progress + (1 - a.start_progress) * (t0 - start) / 60 / a.minutes
        if progress >= 1:
            break
        strength.value = min(a.strength, max(0.0, (progress - a.character_part) / 0.4))
        b = next(loader)
        waits += time.time() - t0
        rate = min(1, (step + 1) / a.warm_up) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))
        for g in opt.param_groups:
            g["lr"] = g["base"] * rate
        if progress < a.character_part:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                features = page.features(ink_of(b))
            loss = character_loss(chars, features, b, 8000)
            parts, chosen = dict(char=loss), None
        else:
            loss, parts, chosen = losses(page, word, chars, a.scale, b, memory, a.margin, a.spread)
        opt.zero_grad(set_to_none=True)
        loss.backward()
        if chosen:
            memory.remember(*chosen)
        torch.nn.utils.clip_grad_norm_(rest, 2.0)
        opt.step()
        step += 1
        for n in nets:
            n.update(min(0.995, 1 - 1 / (1 + step * 0.1)))
        for k, v in parts.items():
            sums[k] = sums.get(k, 0) + v.item()
        if step % 25 == 0:
            say(f"{(time.time() - start) / 60:.1f} min step {step}", {k: round(v / 25, 3) for k, v in sums.items()},
                f"lr {opt.param_groups[0]['lr']:.2e} wait {waits / 25:.2f}s step {(time.time() - t0):.2f}s")
            sums, waits = {}, 0.0
        if time.time() - last_save > 180:
            save("last.pt")
            last_save = time.time()
        if time.time() - last_eval > a.eval_minutes * 60:
            save("last.pt")
            r = development(nets[0].mean, nets[1].mean, dev)
            say(f"dev at {(time.time() - start) / 60:.1f} min:", json.dumps({k: v if isinstance(v, float) else {x: round(y, 3) for x, y in v.items()} for k, v in r.items()}))
            last_eval = time.time()
    save("last.pt")
    say("end of schedule, step", step, json.dumps(development(nets[0].mean, nets[1].mean, dev)))


if __name__ == "__main__":
    main()
