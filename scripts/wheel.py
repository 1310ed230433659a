#!/usr/bin/env python3
"""Builds Quire's wheel with maturin, and tries it as a newcomer would: `pip install` into a fresh environment, one document indexed, one
question answered with a citation, all within a minute and without a compiler.

    scripts/wheel.py build          puts the wheel into target/wheel/ and prints its path
    scripts/wheel.py try WHEEL      installs it (packages that it depends on come from the package index) and asks

Needs Python 3.11 or later; `build` needs maturin as well. Ends with 1 and one sentence where something is not as it should be.
"""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

CLONE = Path(__file__).resolve().parent.parent
OUT = CLONE / "target" / "wheel"
# `data` of pyproject.toml: what lies in data/ of it goes into the installation itself.
SHARED = OUT / "quire.data" / "data" / "share" / "quire"
FOLDERS = ["models", "prompts", "pipelines"]

DOCUMENT = CLONE / "demo" / "documents" / "annual-report-2025.pdf"
QUESTION = "How many passengers travelled between Port Tarrow and Ness Isle?"
PAGE = 5
LIMIT_S = 60


class Problem(Exception):
    """One sentence for the person who ran this."""


def build():
    """The path of a new wheel."""
    shutil.rmtree(SHARED, ignore_errors=True)
    for folder in FOLDERS:
        # Git's files alone: nothing else that lies there is for others
        listed = run(["git", "-C", str(CLONE), "ls-files", "-z", folder], capture=True).split("\0")
        for name in filter(None, listed):
            target = SHARED / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(CLONE / name, target)
    for old in OUT.glob("*.whl"):
        old.unlink()
    maturin = shutil.which("maturin", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if maturin is None:
        raise Problem("maturin was not found: pip install maturin")
    run([maturin, "build", "--release", "--out", str(OUT)], cwd=CLONE)
    wheels = sorted(OUT.glob("*.whl"))
    if len(wheels) != 1:
        raise Problem(f"maturin made {len(wheels)} wheels in {OUT}, one is expected")
    return wheels[0]


def attempt(wheel):
    """Installs and asks; what was seen, as sentences."""
    with tempfile.TemporaryDirectory(prefix="quire-wheel-") as temporary:
        place = Path(temporary)
        started = time.monotonic()
        venv.create(place / "venv", with_pip=True)
        programs = place / "venv" / "bin"
        # Nothing is compiled: pip takes wheels alone. Nothing of this clone is in reach of what was installed.
        run([str(programs / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
             "--only-binary=:all:", str(wheel)], cwd=place)
        installed = time.monotonic()
        home = {"HOME": temporary, "PATH": str(programs)}
        quire = str(programs / "quire")
        doctor = run([quire, "doctor"], cwd=place, env=home, capture=True)
        if "site-packages" not in doctor or "share/quire/models" not in doctor:
            raise Problem(f"the wheel's program does not use what came with it:\n{doctor}")
        shutil.copy(DOCUMENT, place)
        run([quire, "ingest", "--quiet", DOCUMENT.name], cwd=place, env=home)
        answer = json.loads(run([quire, "ask", "--json", QUESTION], cwd=place, env=home, capture=True))
        seconds = time.monotonic() - started
        pages = [citation["page"] for citation in answer["citations"]]
        if not answer["supported"] or PAGE not in pages:
            raise Problem(f"the answer cites pages {pages}, page {PAGE} is expected: {answer['answer']}")
        if seconds > LIMIT_S:
            raise Problem(f"the first cited answer took {seconds:.0f} s, {installed - started:.0f} s of them to install;"
                          f" {LIMIT_S} s are allowed, on a machine that does nothing else")
    yield f"{wheel.name}, {wheel.stat().st_size / 1e6:.1f} MB: installed in {installed - started:.0f} s"
    yield f"first cited answer {seconds:.0f} s after the empty folder: {answer['answer']}"


def run(command, cwd=None, env=None, capture=False):
    try:
        done = subprocess.run(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, check=False, text=True,
                              stdout=subprocess.PIPE if capture else sys.stderr)
    except OSError as error:
        raise Problem(f"{command[0]} can't be run: {error}") from None
    if done.returncode != 0:
        raise Problem(f"`{' '.join(command)}` ended with {done.returncode}\n{done.stdout or ''}".rstrip())
    return done.stdout


def main():
    parser = argparse.ArgumentParser(description="Build Quire's wheel, or try one.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build")
    commands.add_parser("try").add_argument("wheel", type=Path)
    arguments = parser.parse_args()
    try:
        if arguments.command == "build":
            print(build())
        else:
            for sentence in attempt(arguments.wheel.resolve()):
                print(sentence)
        return 0
    except Problem as problem:
        print(f"wheel: {problem}", file=sys.stderr)
    except KeyboardInterrupt:
        with contextlib.suppress(OSError):
            print("wheel: interrupted", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
