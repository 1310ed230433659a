"""German compounds by their parts, measured: 48 pages, each with a sentence, and a question for each, asked of the words alone (plan `text`).

    python benches/compounds/evaluate.py target/release/quire WORK

`german.tsv` has a line a page: kind, sentence, question. `whole`: the compound itself is asked for; `part`: words that it is made of; `run`: several
of them as one word; `inflected`: page or question has another form; `apart`: the compound is asked for, and the page has its parts as words.
Needs reportlab. WORK is made anew.

2026-11-27: recall@1 .875, @5 .917 (42 and 44 of 48); without parts of compounds 5 of 48. Terms added a page: 7 of German ones (of 139 distinct
words), one or none of English ones.
"""
import collections, json, os, shutil, subprocess, sys
from reportlab.lib.pagesizes import A5
from reportlab.pdfgen.canvas import Canvas

HERE = os.path.dirname(os.path.abspath(__file__))
# The same on every page, so that its language can be told and the sentence is one of several.
AROUND = ["Diese Seite gehört zu einer Sammlung, die aus vielen kurzen Mitteilungen besteht.",
          "Bei Fragen wenden Sie sich bitte an die Stelle, die oben genannt ist."]


def main():
    binary, work = sys.argv[1:3]
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(os.path.join(work, "documents"))
    with open(os.path.join(HERE, "german.tsv"), encoding="utf-8") as lines:
        rows = [line.rstrip("\n").split("\t") for line in lines]
    for number, (_, sentence, _) in enumerate(rows):
        page = Canvas(os.path.join(work, "documents", f"{number:02}.pdf"), pagesize=A5, invariant=True)
        for at, line in enumerate([AROUND[0], sentence, AROUND[1]]):
            page.drawString(40, 500 - 24 * at, line)
        page.save()
    quire = lambda *arguments: subprocess.run([binary, "--data-dir", os.path.join(work, "data"), "--json", *arguments],
                                              check=True, capture_output=True, text=True).stdout
    quire("ingest", os.path.join(work, "documents"))
    found, missed = collections.Counter(), []
    for number, (kind, _, question) in enumerate(rows):
        hits = [os.path.basename(hit["source"]) for hit in json.loads(quire("search", question, "--plan", "text", "--limit", "5"))["hits"]]
        rank = hits.index(f"{number:02}.pdf") + 1 if f"{number:02}.pdf" in hits else None
        found[kind, "asked"] += 1
        found[kind, "@1"] += rank == 1
        found[kind, "@5"] += rank is not None
        if rank != 1:
            missed.append(f"{kind:10} {rank or '-'}  {question}")
    for kind in dict.fromkeys(kind for kind, _, _ in rows):
        asked = found[kind, "asked"]
        print(f"{kind:10} {asked:3}  recall@1 {found[kind, '@1'] / asked:.3f}  recall@5 {found[kind, '@5'] / asked:.3f}")
    total = lambda what: sum(count for (_, w), count in found.items() if w == what)
    print(f"{'all':10} {len(rows):3}  recall@1 {total('@1') / len(rows):.3f}  recall@5 {total('@5') / len(rows):.3f}")
    print("\n".join(missed))


if __name__ == "__main__":
    main()
