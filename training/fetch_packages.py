"""Debian packages -> a folder of their documents. Uses apt-get download and dpkg -x: nothing is installed.

    python fetch_packages.py packages-train.txt OUT            PDFs of every package, in OUT/<package>/
"""
import argparse, glob, gzip, os, shutil, subprocess, sys, tempfile


def names(path):
    """[(package, world or '')] of a list file."""
    rows = [l.split("#")[0].split() for l in open(path, encoding="utf-8")]
    return [(r[0], r[1] if len(r) > 1 else "") for r in rows if r]


def unpack(package, folder):
    """Downloads and unpacks a package; False if the archive has none of that name."""
    os.makedirs(folder, exist_ok=True)
    r = subprocess.run(["apt-get", "download", "-q", package], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    debs = glob.glob(os.path.join(folder, package + "_*.deb"))
    if r.returncode or not debs:
        return False
    subprocess.run(["dpkg", "-x", debs[0], folder], check=True)
    os.remove(debs[0])
    return True


def collect(package, out, suffixes):
    """Unpacks a package and copies its files with these suffixes (gunzipped) to out/<package>/NNN-name. Returns how many."""
    target = os.path.join(out, package)
    if os.path.isdir(target):
        return len(os.listdir(target))
    with tempfile.TemporaryDirectory() as tmp:
        if not unpack(package, tmp):
            print("no such package:", package, file=sys.stderr)
            return 0
        found = sorted(os.path.join(d, f) for d, _, fs in os.walk(tmp) for f in fs
                       if f.lower().endswith(suffixes) or f.lower().endswith(tuple(s + ".gz" for s in suffixes)))
        os.makedirs(target)
        for n, path in enumerate(p for p in found if os.path.isfile(p) and not os.path.islink(p)):
            name = os.path.basename(path)
            if name.endswith(".gz"):
                with gzip.open(path) as f, open(os.path.join(target, f"{n + 1:03d}-{name[:-3]}"), "wb") as g:
                    shutil.copyfileobj(f, g)
            else:
                shutil.copy(path, os.path.join(target, f"{n + 1:03d}-{name}"))
    return len(os.listdir(target))


if __name__ == "__main__":
    ap = argparse.ArgumentParser()
    ap.add_argument("list"), ap.add_argument("out")
    a = ap.parse_args()
    for p, _ in names(a.list):
        print(p, collect(p, a.out, (".pdf",)), flush=True)
