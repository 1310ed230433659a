"""Trains the page and word nets further, from a model folder's weights: minutes on a GPU, a night on two cores.

    python train.py --model MODEL --pdfs PDFS --fonts FONTS --vocabulary WORDS.gz --out RUN --minutes 9

Processes draw and read pages (sources.py) while the device learns from the latest ones (dataset.py). Learning rate: warm-up, then cosine to
the planned end in wall-clock minutes, so that a busy machine still ends its schedule. Writes RUN/weights.pt (averaged, half precision)
every minute and figures to RUN/log.txt.
"""
import argparse, copy, math, os, time
import torch
import torch.nn.functional as F
from canvas import CELL
from dataset import Batches, is_short
from fonts import LETTERS
from hashing import check, code_points, keys, ngram_ids
from model import DIM, shipped, trained
from sources import Sources, document_jobs
from vocabulary import load

SPREAD = 4.0            # sharpness of the mean over pairs of words that keeps them apart
MIX = {"page": 0.66, "third": 0.19, "sixth": 0.15}
MOST_ROWS = 3000        # words of a step that look for their cells


class Memory:
    """Negatives that a batch has no room for: cells that the words of the last steps chose, and words seen or known. An index holds
    hundreds of thousands of either, and single words are lost to the nearest of them. Both are constants to the loss. The words are
    embedded anew at every step: from vectors kept for longer the cells would only drift away, all together."""

    def __init__(self, vocabulary, device, cells, words):
        self.cells = torch.zeros(cells, DIM, dtype=torch.bfloat16, device=device)
        self.keys = torch.zeros(cells, dtype=torch.long, device=device)
        self.chars = torch.from_numpy(code_points(vocabulary).astype("int16")).to(device)
        self.letters = torch.tensor([ord(c) for c in LETTERS * 4 + "0123456789"], dtype=torch.int16, device=device)
        self.seen = self.chars[torch.randint(len(self.chars), (200_000 if device.type == "cuda" else 20_000,), device=device)]
        self.words, self.at, self.seen_at = words, 0, 0

    def some_words(self, n):
        """Of the vocabulary, of what pages held (numbers, codes, made-up words), and of all that three characters can be."""
        pick = lambda t, share: t[torch.randint(len(t), (int(n * share),), device=t.device)]
        short = torch.zeros_like(pick(self.chars, 0.2))
        short[:, :3] = self.letters[torch.randint(len(self.letters), (len(short), 3), device=short.device)]
        return torch.cat([pick(self.chars, 0.4), pick(self.seen, 0.4), short])

    def remember(self, cells, cell_keys, chars):
        d = cells.device
        at = (self.at + torch.arange(len(cells), device=d)) % len(self.keys)
        self.cells[at], self.keys[at] = cells.bfloat16(), cell_keys
        self.at = (self.at + len(cells)) % len(self.keys)
        at = (self.seen_at + torch.arange(len(chars), device=d)) % len(self.seen)
        self.seen[at] = chars
        self.seen_at = (self.seen_at + len(chars)) % len(self.seen)


def mass(cosine, same, s):
    """Sum of exp(s (cosine - 1)) over a row, without the entries of the row's own word. bfloat16 throughout: it is large."""
    return torch.exp(s * cosine.masked_fill(same, -1) - s).sum(1, dtype=torch.float32)


def margin_loss(own, others, s, margin, weights):
    """Cross entropy of the own against the others, where the own must win by a margin (CosFace): a weighted mean."""
    own = own * math.exp(-s * margin)
    each = torch.log(others + own + 1e-30) - torch.log(own + 1e-30)
    return (each * weights).sum() / weights.sum()


def losses(page, word, b, memory, a):
    """-> loss, its parts, what the memory keeps."""
    ink, d, s = b["ink"].contiguous(memory_format=torch.channels_last), b["ink"].device, a.scale
    with torch.autocast(d.type, dtype=torch.bfloat16):
        vectors, gate = page(ink)
    p, g, u = vectors.flatten(0, 1), gate.flatten(), len(b["keys"])
    bank = torch.cat([b["chars"], b["mutants"], memory.some_words(a.bank)])
    q = word(ngram_ids(bank))
    with torch.no_grad():
        more = memory.some_words(memory.words)
        beyond_words, beyond_keys, bank_keys = word(ngram_ids(more)), keys(more), keys(bank)
        inked = F.avg_pool2d(b["clean"], CELL).flatten() > 0.004
        rows = torch.randperm(u, device=d)[:MOST_ROWS]
        row_of = torch.full((u,), -1, device=d)
        row_of[rows] = torch.arange(len(rows), device=d)
        # cells: those at a row's centre are its own, others that touch it are left out, half of the plain inked ones are drawn
        own = torch.zeros(len(rows), len(p), dtype=torch.bool, device=d)
        out = torch.zeros_like(own)
        cand, r = b["candidates"], row_of[b["instance"]]
        ok = (cand >= 0) & (r >= 0)[:, None]
        own[r[:, None].expand_as(cand)[ok], cand[ok]] = True
        r = row_of[b["touched"][0]]
        out[r[r >= 0], b["touched"][1][r >= 0]] = True
        used = (inked & (torch.rand(len(p), device=d) < 0.5)) | own.any(0)
        own, out = own[:, used], out[:, used] | own[:, used]
    # word -> cells
    with torch.autocast(d.type, dtype=torch.bfloat16):
        cosine, past = q[rows] @ p[used].T, q[rows] @ memory.cells.T
    e = torch.exp(s * (cosine.float() - 1))                     # cosines are at most 1: no maximum to look for
    others = e.masked_fill(out, 0).sum(1) + mass(past, memory.keys == b["keys"][rows][:, None], s)
    heavy = 1 + (a.short - 1) * is_short(b["chars"]).float()
    to_cells = margin_loss(e.masked_fill(~own, 0).sum(1), others, s, a.margin, heavy[rows])
    # instance -> words: its best cell against the whole bank
    with torch.no_grad():
        near = torch.einsum("ikd,id->ik", p[cand.clamp(min=0)].detach(), q[b["instance"]].detach()).masked_fill(cand < 0, -9)
        best = cand.gather(1, near.argmax(1, keepdim=True))[:, 0]
        mine = b["keys"][b["instance"]][:, None]
        times = torch.bincount(b["instance"], minlength=u)[b["instance"]]          # a word that stands everywhere doesn't count that often
    chosen = p[best]
    with torch.autocast(d.type, dtype=torch.bfloat16):
        against, beyond = chosen @ q.T, chosen @ beyond_words.T
    right = torch.exp(s * ((chosen * q[b["instance"]]).sum(1) - 1))
    to_words = margin_loss(right, mass(against, bank_keys == mine, s) + mass(beyond, beyond_keys == mine, s), s, a.margin,
                           heavy[b["instance"]] / times.sqrt())
    # words apart from each other, all directions used alike: only differences count above
    with torch.autocast(d.type, dtype=torch.bfloat16):
        apart = q[rows] @ q[u:].T
    narrow = torch.log(torch.exp(SPREAD * apart.float()).mean())
    # gate: cells that some word chose
    target = torch.zeros_like(g)
    target[best] = 1
    sure = (inked & ~b["doubtful"]) | (target > 0)
    gate_loss = F.binary_cross_entropy_with_logits(g[sure], target[sure])
    total = to_cells + to_words + a.spread * narrow + 0.3 * gate_loss
    right_word = (torch.log(right) > s * (against.detach().float().masked_fill(bank_keys == mine, -1).amax(1) - 1)).float().mean()
    parts = dict(cells=to_cells, words=to_words, narrow=narrow, gate=gate_loss, right=right_word)
    one = torch.full((u,), 0, device=d).scatter_(0, b["instance"], torch.arange(len(best), device=d))
    return total, {k: v.detach() for k, v in parts.items()}, (chosen.detach()[one], b["keys"], b["chars"])


class Average:
    """Exponential moving average of a module's weights."""

    def __init__(self, module):
        self.module, self.mean = module, copy.deepcopy(module).eval()

    @torch.no_grad()
    def update(self, decay):
        torch._foreach_lerp_(list(self.mean.parameters()), list(self.module.parameters()), 1 - decay)


def arguments():
    ap = argparse.ArgumentParser()
    for name in ("--model", "--pdfs", "--fonts", "--vocabulary", "--out"):
        ap.add_argument(name, required=True)
    ap.add_argument("--weights", help="weights.pt of a run to go on from; else the model folder's")
    ap.add_argument("--minutes", type=float, default=9)
    ap.add_argument("--pages", type=int, default=3600, help="of documents")
    ap.add_argument("--workers", type=int, default=os.cpu_count())
    ap.add_argument("--crops", type=int, default=12, help="of documents, and as many of drawn pages, a step")
    ap.add_argument("--bank", type=int, default=2000, help="words of the vocabulary that learn at a step, beside those of the pages")
    ap.add_argument("--cells", type=int, default=32768, help="remembered")
    ap.add_argument("--words", type=int, default=12288, help="constant ones, a step")
    ap.add_argument("--lr", type=float, default=4e-4), ap.add_argument("--warm-up", type=int, default=300, help="steps")
    ap.add_argument("--margin", type=float, default=0.1, help="by how much a word's own cell must be nearer than any other (cosine)")
    ap.add_argument("--short", type=float, default=2.0, help="what a short word or one with digits counts beside others")
    ap.add_argument("--spread", type=float, default=3, help="weight of keeping words apart")
    ap.add_argument("--scale", type=float, default=50, help="of cosines before the softmax")
    ap.add_argument("--strength", type=float, default=0.9, help="how often crops are moved, 0..1")
    ap.add_argument("--store", type=float, default=1.0, help="share of the room for pages on the device")
    ap.add_argument("--seed", type=int, default=1)
    return ap.parse_args()


def main():
    a = arguments()
    os.makedirs(a.out, exist_ok=True)
    log = open(os.path.join(a.out, "log.txt"), "a")

    def say(*xs):
        line = " ".join(map(str, xs))
        print(line, flush=True)
        log.write(line + "\n"), log.flush()

    start = time.time()
    known = load(a.vocabulary)
    check(sorted(known["pages"])[::100])
    jobs = document_jobs(a.pdfs, a.pages)
    from synthetic import Fonts
    sources = Sources(jobs, Fonts(a.fonts), known, a.workers, a.seed)           # before the device is touched: it forks
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(a.seed)
    torch.backends.cudnn.benchmark = True
    page, word = trained(a.weights) if a.weights else shipped(a.model)
    page, word = page.to(device, memory_format=torch.channels_last), word.to(device)
    averages = [Average(page), Average(word)]
    table, rest = [word.table.weight], [*page.parameters(), *(p for n, p in word.named_parameters() if "table" not in n)]
    groups = [dict(params=[p for p in rest if p.dim() > 1], weight_decay=0.01, base=a.lr),
              dict(params=[p for p in rest if p.dim() <= 1], weight_decay=0.0, base=a.lr), dict(params=table, weight_decay=0.0, base=a.lr)]
    opt = torch.optim.AdamW(groups, lr=a.lr, betas=(0.9, 0.98), eps=1e-8)
    memory = Memory(sorted(known["pages"]), device, a.cells, a.words)
    batches = Batches(sources, device, a.crops, a.store)
    say(f"{len(jobs)} pages, {len(memory.chars)} words, {device}, ready in {time.time() - start:.0f} s")
    while min(len(batches.stores[n]) for n in ("document", "drawn", "third", "sixth")) < 2 * a.crops:
        batches.take(64)
        time.sleep(0.01)
    say(f"first pages at {time.time() - start:.0f} s")

    def save():
        path = os.path.join(a.out, "weights.pt")
        half = lambda net: {k: v.half().cpu() for k, v in net.mean.state_dict().items()}
        torch.save(dict(page=half(averages[0]), word=half(averages[1]), step=step, args=vars(a)), path + ".part")
        os.replace(path + ".part", path)

    step, sums, last, kinds, shares = 0, {}, time.time(), list(MIX), torch.tensor(list(MIX.values()))
    saved = said = time.time()
    while (progress := (time.time() - start) / 60 / a.minutes) < 1:
        batches.take(32)
        kind = kinds[int(torch.multinomial(shares, 1))]
        rate = min(1, (step + 1) / a.warm_up) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))
        for g in opt.param_groups:
            g["lr"] = g["base"] * rate
        b = batches.next(kind, a.strength)
        if len(b["keys"]) < 2:
            continue
        loss, some, kept = losses(page, word, b, memory, a)
        opt.zero_grad(set_to_none=True)
        loss.backward()
        memory.remember(*kept)
        torch.nn.utils.clip_grad_norm_(rest, 2.0)
        opt.step()
        step += 1
        for n in averages:
            n.update(min(0.998, 1 - 1 / (1 + step * 0.1)))
        for k, v in some.items():
            sums.setdefault(f"{kind} {k}", []).append(v)
        if step % 100 == 0 or step in (1, 5, 20):
            means = {k: round(torch.stack(v).mean().item(), 3) for k, v in sorted(sums.items())}
            say(f"{(time.time() - start) / 60:.2f} min step {step} lr {rate * a.lr:.1e} {(time.time() - said) / max(1, step % 100 or 100):.3f} s a step; pages made",
                {n: s.made for n, s in batches.stores.items()}, means)
            sums, said = {}, time.time()
        if time.time() - saved > 60:
            save()
            saved = time.time()
    save()
    say(f"end of schedule, step {step}, {time.time() - start:.0f} s", f"{torch.cuda.max_memory_allocated() / 1e9:.1f} GB" if device.type == "cuda" else "")
    for p in sources.processes:
        p.terminate()


if __name__ == "__main__":
    main()
