"""Answers without an answer model, measured: how many questions about nothing are answered, how many about something are not.

    python benches/answers/evaluate.py target/release/quire WORK                the table, and every mistake
    python benches/answers/evaluate.py target/release/quire WORK --calibrate    and the distributions behind the thresholds
    python benches/answers/evaluate.py target/release/quire WORK --plans        and `quire eval` of the plans

WORK keeps documents and indexes (a GB): a second run only asks. Allowed are 2 % false answers and 5 % silences; the exit code
says whether they are kept. The model's threshold stands in its manifest (`answer.seen_from`), the others in
src/answer/matching.rs. Run this again whenever the model's weights change.
"""
import argparse, os, sys
import sets

FALSE_ANSWERS, SILENCES = 0.02, 0.05


def outcome(asked, answer):
    """'right', 'false' (an answer about nothing), 'silent', or 'wrong page'."""
    if "document" not in asked:
        return "false" if answer["supported"] else "right"
    if not answer["supported"]:
        return "silent"
    cited = {(os.path.basename(c["source"]), c["page"]) for c in answer["citations"]}
    return "right" if any((asked["document"], page) in cited for page in asked["pages"]) else "wrong page"


def percentiles(values):
    values = sorted(values)
    at = lambda share: values[min(int(share * len(values)), len(values) - 1)]
    return "  ".join(f"{int(100 * share):3d} %: {at(share):.3f}" for share in (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)) if values else "none"


def best_threshold(low, high):
    """(threshold, share of `low` at or above it, share of `high` below it) with the smallest sum of both."""
    def mistakes(threshold):
        return (sum(v >= threshold for v in low) / max(len(low), 1), sum(v < threshold for v in high) / max(len(high), 1))
    threshold = min(sorted(set(low + high)), key=lambda t: sum(mistakes(t)))
    return threshold, *mistakes(threshold)


def calibrate(asked_and_answered):
    """Two thresholds: the cosine from which on a page shows a word, and the coverage from which on it answers."""
    held, lacking = [], []
    for _, response in asked_and_answered:
        for page in response["matching"]["pages"]:
            if page["basis"] == "text":
                for stands, cosine in zip(page["held"], page["cosines"]):
                    if cosine is not None:
                        (held if stands else lacking).append(cosine)
    print("\ncosine of a word with a page whose text holds it    ", percentiles(held))
    print("cosine of a word with a page whose text lacks it    ", percentiles(lacking))
    if held and lacking:
        threshold, false, missed = best_threshold(lacking, held)
        print(f"answer.seen_from, fewest mistakes: {threshold:.3f} ({false:.1%} of the words that are not there, {missed:.1%} of those that are missed)")
        strict = sorted(lacking)[int(0.95 * len(lacking))]
        print(f"answer.seen_from, 5 % of the words that are not there: {strict:.3f} ({sum(v < strict for v in held) / len(held):.1%} missed)")
    best = lambda response: max((page["coverage"] for page in response["matching"]["pages"]), default=0.0)
    something = [best(response) for asked, response in asked_and_answered if "document" in asked]
    nothing = [best(response) for asked, response in asked_and_answered if "document" not in asked]
    print("coverage of the best page, questions about something", percentiles(something))
    print("coverage of the best page, questions about nothing  ", percentiles(nothing))
    threshold, false, missed = best_threshold(nothing, something)
    print(f"coverage alone, fewest mistakes: {threshold:.3f} ({false:.1%} false, {missed:.1%} silent)")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("quire"), parser.add_argument("work")
    parser.add_argument("--calibrate", action="store_true"), parser.add_argument("--plans", action="store_true")
    parser.add_argument("--only", choices=sets.NAMES)
    args = parser.parse_args()
    answered, counts = [], {}
    for name in [args.only] if args.only else sets.NAMES:
        data = sets.indexed(args.quire, name, args.work)
        for asked in sets.questions(name):
            response = sets.ask(args.quire, data, asked["question"])
            what = outcome(asked, response)
            answered.append((asked, response))
            kind = "something" if "document" in asked else "nothing"
            counts[name, kind, what] = counts.get((name, kind, what), 0) + 1
            if what != "right":
                coverage = max((page["coverage"] for page in response["matching"]["pages"]), default=0.0)
                print(f"{what:10} {name:8} {coverage:.2f}  {asked['question']}\n    {response['answer'][:200]}")
        if args.plans:
            plans = [flag for plan in ("text", "anchors", "hybrid") for flag in ("--plan", plan)]
            print(sets.quire(args.quire, data, "eval", sets.eval_set(name, args.work), *plans))
    print(f"\n{'':10}{'nothing':>8} {'false':>6}   {'something':>9} {'silent':>7} {'wrong page':>11}")
    total = lambda kind, what, names: sum(n for (name, k, w), n in counts.items() if name in names and k == kind and what in (w, None))
    for label, names in [(name, [name]) for name in sets.NAMES] + [("all", sets.NAMES)]:
        print(f"{label:10}{total('nothing', None, names):8} {total('nothing', 'false', names):6}   "
              f"{total('something', None, names):9} {total('something', 'silent', names):7} {total('something', 'wrong page', names):11}")
    if args.calibrate:
        calibrate(answered)
    false = total("nothing", "false", sets.NAMES) / max(total("nothing", None, sets.NAMES), 1)
    silent = total("something", "silent", sets.NAMES) / max(total("something", None, sets.NAMES), 1)
    print(f"\nfalse answers {false:.1%} (at most {FALSE_ANSWERS:.0%}), silences {silent:.1%} (at most {SILENCES:.0%})")
    sys.exit(0 if false <= FALSE_ANSWERS and silent <= SILENCES else 1)


if __name__ == "__main__":
    main()
