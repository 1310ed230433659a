#!/usr/bin/env python3
"""Fetches Quire's two native libraries, ONNX Runtime and PDFium, into native/.

They come out of Python wheels, because PyPI is the one place that has both for every platform and is within reach of
nearly every machine: `pip download` gets the wheels, a SHA-256 in this file decides whether they are used, and only the
shared library and its licences are unpacked. Nothing is installed and no Python code of a wheel is run. Wheels are kept
in ${XDG_CACHE_HOME:-~/.cache}/quire/wheels, so that a second clone needs no network.

Needs Python 3.8 or later with pip, and nothing else. Ends with 0 where the libraries are in place, and with 1 and one
sentence on standard error where they can't be.
"""

import argparse
import contextlib
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ONNXRUNTIME = "1.31.1"
PYPDFIUM2 = "5.15.2"  # carries PDFium 8149

# One Python tag whatever Python runs this script: the library inside is the same, and so the hash stays one.
CPYTHON = ["--python-version", "3.12", "--implementation", "cp", "--abi", "cp312"]
ANY_PYTHON = ["--python-version", "3.12", "--implementation", "py", "--abi", "none"]


class Wheel:
    """One wheel of one platform: what to ask pip for, what its bytes hash to, and which library is in it."""

    def __init__(self, project, version, tag, sha256, library, unpacked):
        self.project, self.version, self.tag, self.sha256 = project, version, tag, sha256
        self.library = library  # path inside the wheel
        self.unpacked = unpacked  # name under native/

    @property
    def cached_name(self):
        return f"{self.project}-{self.version}-{self.tag}.whl"

    def __str__(self):
        return f"{self.project} {self.version}"


def onnxruntime(tag, sha256, library, unpacked):
    return Wheel("onnxruntime", ONNXRUNTIME, tag, sha256, f"onnxruntime/capi/{library}", unpacked)


def pdfium(tag, sha256, library):
    return Wheel("pypdfium2", PYPDFIUM2, tag, sha256, f"pypdfium2_raw/{library}", library)


WHEELS = {
    "linux-x86_64": [
        onnxruntime("manylinux_2_28_x86_64", "1f3dea47f2f0e5117c2404cea7d21fd253ae7836a3bf167a501cdfbb2600d536",
                    f"libonnxruntime.so.{ONNXRUNTIME}", "libonnxruntime.so"),
        pdfium("manylinux2014_x86_64", "dc31aea5b0fb9fefc9b537a65f4113980b2c40798445736a7e6565bc85161e37",
               "libpdfium.so"),
    ],
    "linux-aarch64": [
        onnxruntime("manylinux_2_28_aarch64", "0b9a492176886992e0e875f06bc0367e333f5fff11711a2d642e18b02f3009cc",
                    f"libonnxruntime.so.{ONNXRUNTIME}", "libonnxruntime.so"),
        pdfium("manylinux2014_aarch64", "dd46e93c0c3a73f6cea8489baff6d77a5d0759dd53fbbce0aeb49c91830176fc",
               "libpdfium.so"),
    ],
    "macos-arm64": [
        onnxruntime("macosx_14_0_arm64", "96dd2564b10ea7153ad9c207e7cd8e5917cb3ba521e0e0a62ac03486fdc8d56c",
                    f"libonnxruntime.{ONNXRUNTIME}.dylib", "libonnxruntime.dylib"),
        pdfium("macosx_13_0_arm64", "e71fe832e94421ac3c28d6a6ed4a9e61f22417089652d339f391c4ffc2a44c35",
               "libpdfium.dylib"),
    ],
}

# What the wheels of this table are built for.
OLDEST_GLIBC = (2, 28)
OLDEST_MACOS = 14


class Problem(Exception):
    """One sentence for the person who ran this."""


def this_platform():
    """The key of WHEELS for the machine this runs on, or a Problem that says why there is none."""
    system, machine = platform.system(), platform.machine().lower()
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine)
    if system == "Linux":
        check_glibc()
        name = f"linux-{machine}"
    elif system == "Darwin":
        if machine == "x86_64":
            raise Problem(f"no wheel of onnxruntime {ONNXRUNTIME} exists for Macs with an Intel processor: set"
                          " QUIRE_ONNXRUNTIME and QUIRE_PDFIUM to libraries of your own")
        check_macos()
        name = "macos-arm64"
    else:
        name = f"{system.lower()}-{machine}"
    if name not in WHEELS:
        raise Problem(f"this machine is {name}, and the native libraries are only known for {', '.join(WHEELS)}:"
                      " set QUIRE_ONNXRUNTIME and QUIRE_PDFIUM to libraries of your own")
    return name


def check_glibc():
    wanted = ".".join(map(str, OLDEST_GLIBC))
    try:
        found = os.confstr("CS_GNU_LIBC_VERSION")  # "glibc 2.36"; other C libraries don't know the name
        version = tuple(int(part) for part in found.split()[1].split(".")[:2])
    except (ValueError, OSError, AttributeError, IndexError, TypeError):
        raise Problem("this Linux has a C library other than glibc (Alpine and other musl systems are not supported):"
                      f" use a distribution with glibc {wanted} or later, Debian or Ubuntu for example") from None
    if version < OLDEST_GLIBC:
        raise Problem(f"{found} is too old for onnxruntime {ONNXRUNTIME}: glibc {wanted} or later is needed")


def check_macos():
    version = platform.mac_ver()[0]
    if version and int(version.split(".")[0]) < OLDEST_MACOS:
        raise Problem(f"macOS {version} is too old for onnxruntime {ONNXRUNTIME}: macOS {OLDEST_MACOS} or later is"
                      " needed")


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def in_place(into, wheels):
    """Whether native/ already holds exactly what these wheels give, byte for byte."""
    try:
        stamp = json.loads((into / "stamp.json").read_text(encoding="utf-8"))
        return all(
            stamp["wheels"][wheel.project] == wheel.sha256
            and stamp["files"][wheel.unpacked] == sha256_of(into / wheel.unpacked)
            for wheel in wheels
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


@contextlib.contextmanager
def wheel_folder():
    """Where wheels are kept; a folder that goes away again where the cache can't be written."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    folder = Path(base) / "quire" / "wheels"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=str(folder)):
            pass
    except OSError:
        with tempfile.TemporaryDirectory(prefix="quire-wheels-") as temporary:
            yield Path(temporary)
    else:
        yield folder


def pip_command():
    """How to run pip: this Python's own, or else any on the PATH (it only downloads, for a fixed Python)."""
    candidates = [[sys.executable, "-m", "pip"]]
    candidates += [[path] for path in map(shutil.which, ("pip3", "pip")) if path]
    for candidate in candidates:
        try:
            run = subprocess.run(candidate + ["--version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        except OSError:
            continue
        if run.returncode == 0:
            return candidate
    raise Problem("pip is needed to fetch the native libraries and was not found: install it"
                  " (Debian and Ubuntu: apt-get install python3-pip; elsewhere: python3 -m ensurepip), then run"
                  " `make setup` again")


def fetch(wheel, folder):
    """The path of the wheel, checked: from the cache, or else from the package index."""
    cached = folder / wheel.cached_name
    if cached.is_file():
        if sha256_of(cached) == wheel.sha256:
            return cached
        say(f"{cached} is damaged: fetching it again")
        cached.unlink()
    say(f"fetching {wheel} for {wheel.tag}")
    with tempfile.TemporaryDirectory(prefix="download-", dir=str(folder)) as temporary:
        command = pip_command() + [
            "download", "--quiet", "--disable-pip-version-check", "--retries", "2", "--no-deps",
            "--only-binary=:all:", "--platform", wheel.tag, "--dest", temporary,
        ]
        command += CPYTHON if wheel.project == "onnxruntime" else ANY_PYTHON
        run = subprocess.run(command + [f"{wheel.project}=={wheel.version}"], stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
        downloaded = sorted(Path(temporary).glob("*.whl"))
        if run.returncode != 0 or len(downloaded) != 1:
            raise Problem(f"pip could not fetch {wheel}: {reason(run.stdout)}")
        found = sha256_of(downloaded[0])
        if found != wheel.sha256:
            raise Problem(f"{downloaded[0].name} is not the file that Quire was built with, and was thrown away:"
                          f" its SHA-256 is {found}, expected {wheel.sha256}; look at which package index pip uses")
        os.replace(downloaded[0], cached)
    return cached


def reason(output):
    """What pip said, as one clause."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    unreachable = [line for line in lines if "connection" in line.lower() or "retrying" in line.lower()]
    errors = [line[len("ERROR: "):].split(" (from versions")[0] for line in lines if line.startswith("ERROR: ")]
    if unreachable:
        return "the package index can't be reached: check the network, or the proxy and index in pip's configuration"
    return errors[0] if errors else (lines[-1] if lines else "it ended without a word")


def licences(wheel, names):
    """(name in the wheel, path under native/) of everything that must travel with the library."""
    folder = f"licenses/{wheel.project}"
    for name in names:
        if name in ("onnxruntime/LICENSE", "onnxruntime/ThirdPartyNotices.txt"):
            yield name, f"{folder}/{name.split('/')[-1]}"
        elif ".dist-info/licenses/" in name and not name.endswith("/"):
            yield name, f"{folder}/{name.split('.dist-info/licenses/')[1]}"


def unpack(wheels, into):
    """Library and licences of each (wheel, path) into native/: a file appears whole or not at all, the stamp last."""
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=str(into)) as temporary:
        staged = []
        for wheel, path in wheels:
            with zipfile.ZipFile(path) as archive:
                for name, target in [(wheel.library, wheel.unpacked), *licences(wheel, archive.namelist())]:
                    stage = Path(temporary) / target
                    stage.parent.mkdir(parents=True, exist_ok=True)
                    with archive.open(name) as source, open(stage, "wb") as file:
                        shutil.copyfileobj(source, file)
                    staged.append(target)
        stamp = {
            "wheels": {wheel.project: wheel.sha256 for wheel, _ in wheels},
            "versions": {wheel.project: wheel.version for wheel, _ in wheels},
            "files": {wheel.unpacked: sha256_of(Path(temporary) / wheel.unpacked) for wheel, _ in wheels},
        }
        (Path(temporary) / "stamp.json").write_text(json.dumps(stamp, indent=2) + "\n", encoding="utf-8")
        for target in [*staged, "stamp.json"]:
            (into / target).parent.mkdir(parents=True, exist_ok=True)
            os.replace(Path(temporary) / target, into / target)


def say(text):
    print(f"native libraries: {text}", file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(description="Fetch ONNX Runtime and PDFium into native/.")
    parser.add_argument("--into", type=Path, default=Path(__file__).resolve().parent.parent / "native",
                        help="folder to unpack into (default: native/ beside scripts/)")
    parser.add_argument("--platform", choices=sorted(WHEELS), help="fetch for another machine than this one")
    arguments = parser.parse_args()
    try:
        wheels = WHEELS[arguments.platform or this_platform()]
        if in_place(arguments.into, wheels):
            return 0
        with wheel_folder() as folder:
            unpack([(wheel, fetch(wheel, folder)) for wheel in wheels], arguments.into)
        say(f"{', '.join(map(str, wheels))} unpacked into {arguments.into}")
        return 0
    except Problem as problem:
        say(str(problem))
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        say(f"could not unpack into {arguments.into}: {error}")
    except KeyboardInterrupt:
        say("interrupted")
    return 1


if __name__ == "__main__":
    sys.exit(main())
