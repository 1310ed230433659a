#!/usr/bin/env python3
"""Takes the lines that keep a promise out of the code, one mutant at a time, and shows that a test notices.

    tests/mutants/run.py                 every mutant (about an hour on two cores)
    tests/mutants/run.py NAME ...        those whose name begins so
    tests/mutants/run.py --list          names and promises, and whether each still fits the code

`mutants.toml` has them: the promise, the file, the lines as they are (`old`) and as they must not be (`new`), and the tests
that should notice, as arguments of `cargo test`. The script works on a copy of the tree, so nothing here is touched. It
ends with 1 if a mutant survived or no longer fits the code.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "quire"
# As `make quick`: over the dependencies of every other build, and quick to compile again after each change of one line.
CARGO = ["cargo", "--config", "profile.release.package.quire.opt-level=0", "test", "--release", "--locked"]

# A test that waits for what a mutant keeps from happening has noticed it.
LONGEST_S = 900


def mutants():
    with open(Path(__file__).with_name("mutants.toml"), "rb") as file:
        return tomllib.load(file)["mutant"]


def fits(tree, mutant):
    """Whether the lines to change stand in the file exactly once."""
    path = tree / mutant["file"]
    return path.is_file() and path.read_text().count(mutant["old"]) == 1


def copy_tree(target):
    """What git knows or would take, with links to what is unpacked beside it."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout.split("\0")
    wanted = {name for name in listed if name and (ROOT / name).is_file()}
    for name in wanted:
        source, copy = ROOT / name, target / name
        if copy.exists() and copy.read_bytes() == source.read_bytes():
            continue  # an unchanged file keeps its time: nothing is compiled again for it
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, copy)
    for folder in ("src", "tests", "benches"):
        for path in (target / folder).rglob("*"):
            if path.is_file() and str(path.relative_to(target)) not in wanted:
                path.unlink()
    native = target / "native"
    if not native.exists():
        native.symlink_to(ROOT / "native")


def run_tests(tree, tests):
    """True if all of them pass."""
    environment = {**os.environ, "CARGO_TARGET_DIR": str(CACHE / "target"), "CARGO_INCREMENTAL": "1"}
    for arguments in tests:
        command = [*CARGO, *arguments.split()]
        try:
            done = subprocess.run(
                command, cwd=tree, env=environment, capture_output=True, text=True, timeout=LONGEST_S
            )
        except subprocess.TimeoutExpired:
            return False, True, "the tests do not end\n"
        if done.returncode != 0:
            compiled = "test result:" in done.stdout
            return False, compiled, (done.stdout if compiled else done.stderr)[-3000:]
    return True, True, ""


def try_mutant(tree, mutant):
    """'noticed', 'SURVIVED', 'does not compile' or 'no longer fits'."""
    if not fits(tree, mutant):
        return "no longer fits", ""
    path = tree / mutant["file"]
    whole = path.read_text()
    path.write_text(whole.replace(mutant["old"], mutant["new"]))
    try:
        passed, compiled, said = run_tests(tree, mutant["tests"])
    finally:
        path.write_text(whole)
    if passed:
        return "SURVIVED", ""
    return ("noticed" if compiled else "does not compile"), said


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("-v", "--verbose", action="store_true", help="print what the tests said")
    options = parser.parse_args()
    chosen = [m for m in mutants() if not options.names or any(m["name"].startswith(n) for n in options.names)]
    if options.list:
        unfit = [mutant["name"] for mutant in chosen if not fits(ROOT, mutant)]
        for mutant in chosen:
            print(f"{'NO FIT ' if mutant['name'] in unfit else 'fits   '} {mutant['name']}: {mutant['promise']}")
        sys.exit(f"mutants that no longer fit the code: {', '.join(unfit)}" if unfit else 0)
    tree = CACHE / "mutants" / "tree"
    copy_tree(tree)
    tests = sorted({test for mutant in chosen for test in mutant["tests"]})
    print(f"the tests as they are ({len(tests)} calls)...", flush=True)
    passed, _, said = run_tests(tree, tests)
    if not passed:
        sys.exit(f"they fail without any mutant:\n{said}")
    bad = 0
    for mutant in chosen:
        started = time.monotonic()
        outcome, said = try_mutant(tree, mutant)
        bad += outcome != "noticed"
        print(f"{outcome:16} {mutant['name']} ({time.monotonic() - started:.0f} s): {mutant['promise']}", flush=True)
        if options.verbose or outcome == "does not compile":
            print(said)
    print(f"{len(chosen) - bad} of {len(chosen)} mutants were noticed")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
