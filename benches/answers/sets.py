"""The three collections that answers are measured over, and the questions asked of them. Documents that are not part of Quire
are fetched: Debian's packages are downloaded and unpacked, nothing is installed.
"""
import json, os, shutil, subprocess, sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.append(os.path.join(ROOT, "training"))

NAMES = ("demo", "power", "science")
PACKAGES = {
    "power": ["nut-doc", "hamradio-maintguide", "latex2rtf-doc", "opensm-doc"],
    "science": ["r-cran-vegan", "python-reportlab-doc", "mrbayes-doc", "debmake-doc"],
}
# debmake-doc has one book in six languages: the German one is taken.
LEFT_OUT = tuple(f"debmake-doc.{language}." for language in ("en", "ja", "ru", "zh-cn", "zh-tw"))


def documents(name, work):
    """Folder of a collection's documents: below `work`, as `quire eval` wants it."""
    folder = os.path.join(work, name, "documents")
    if os.path.isdir(folder):
        return folder
    if name == "demo":
        shutil.copytree(os.path.join(ROOT, "demo", "documents"), folder)
        return folder
    from fetch_packages import collect
    packages = os.path.join(work, "packages")
    os.makedirs(folder + ".new", exist_ok=True)
    for package in PACKAGES[name]:
        if not collect(package, packages, (".pdf",)):
            sys.exit(f"package {package} has no documents: is apt-get's list current?")
        for file in sorted(os.listdir(os.path.join(packages, package))):
            plain = file.split("-", 1)[1]
            if not plain.startswith(LEFT_OUT):
                shutil.copy(os.path.join(packages, package, file), os.path.join(folder + ".new", plain))
    os.rename(folder + ".new", folder)
    return folder


def questions(name):
    """[{question, kind, document, pages}]; those about nothing have no document. `own`: a user's own words; `literal`: words of the
    page; `none`: about nothing in the collection; `near`: a number or name that is nearly there."""
    with open(os.path.join(HERE, name + ".jsonl"), encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def eval_set(name, work):
    """The questions about something as a set for `quire eval`. Returns its folder."""
    folder = os.path.join(work, name)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "questions.jsonl"), "w", encoding="utf-8") as out:
        for asked in (asked for asked in questions(name) if "document" in asked):
            known = {key: asked[key] for key in ("question", "kind", "document")} | {"page": asked["pages"][0]}
            out.write(json.dumps(known, ensure_ascii=False) + "\n")
    return folder


def quire(binary, data, *arguments):
    run = subprocess.run([binary, "--data-dir", data, *arguments], capture_output=True, text=True)
    if run.returncode not in (0, 1):
        sys.exit(f"quire {' '.join(arguments)}: {run.stderr or run.stdout}")
    return run.stdout


def indexed(binary, name, work):
    """Data folder of a collection; ingests what is not indexed yet."""
    data = os.path.join(work, name, "data")
    os.makedirs(data, exist_ok=True)
    quire(binary, data, "--quiet", "ingest", documents(name, work))
    return data


def ask(binary, data, question):
    return json.loads(quire(binary, data, "--json", "ask", "--extractive", "--explain", "--", question))
