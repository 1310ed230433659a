"""What a service stands on, as processes that can be taken away: a Qdrant server, PostgreSQL, a bucket.

Each has `section`, the lines of the service configuration that lead to it, `part`, its name in `/readyz`, and can be killed, brought
back with what it had, frozen and thawed.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import service as soak

HERE = Path(__file__).resolve().parent


class Backend:
    environment = {}

    def __init__(self, folder, port):
        self.folder, self.port, self.process = folder, port, None
        folder.mkdir(parents=True, exist_ok=True)

    def spawn(self, command, **how):
        with open(self.folder.parent / f"{self.part}.log", "ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, **how)

    def start(self):
        """Returns when connections are taken."""
        self.spawn_process()

        def listens():
            soak.check(self.process.poll() is None, f"{self.part} ended", (self.folder.parent / f"{self.part}.log").read_text()[-2000:])
            with socket.socket() as client:
                return client.connect_ex(("127.0.0.1", self.port)) == 0

        soak.until(f"{self.part} to listen", listens, 60)

    def pids(self):
        found = [self.process.pid]
        for pid in found:
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                try:
                    found += [int(child) for child in task.read_text().split()]
                except OSError:
                    pass
        return found

    def kill(self):
        if self.process is None or self.process.poll() is not None:
            return
        for pid in self.pids():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()

    def remove(self):
        """What it left outside the folder it was given."""

    def freeze(self):
        """Connections stay, and nothing is answered."""
        soak.freeze(self.pids())

    def thaw(self):
        soak.freeze(self.pids(), frozen=False)


class Qdrant(Backend):
    part = "store"

    def __init__(self, folder, program):
        super().__init__(folder, soak.free_port())
        self.program = str(Path(program).resolve())
        self.http = soak.free_port()
        self.section = f"store: {{url: 'http://127.0.0.1:{self.port}', timeout_s: 10}}\n"

    def spawn_process(self):
        ports = {"QDRANT__SERVICE__GRPC_PORT": str(self.port), "QDRANT__SERVICE__HTTP_PORT": str(self.http)}
        ports |= {"QDRANT__SERVICE__HOST": "127.0.0.1", "QDRANT__TELEMETRY_DISABLED": "true"}
        self.spawn([self.program], cwd=self.folder, env={**os.environ, **ports})


class Postgres(Backend):
    part = "ledger"

    def __init__(self):
        # PostgreSQL does not run as root, and root's folders are closed to others.
        super().__init__(Path(tempfile.mkdtemp(prefix="quire-soak-postgres-")) / "cluster", soak.free_port())
        folder = self.folder
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin")) + [Path(shutil.which("initdb") or "/").parent]
        self.programs = found[0]
        soak.check((self.programs / "initdb").exists(), "PostgreSQL is not installed (Debian: postgresql, or `make postgres`)")
        self.user = {"user": "postgres"} if os.geteuid() == 0 else {}
        if self.user:
            owner = pwd.getpwnam("postgres")
            folder.parent.chmod(0o711)
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        made = subprocess.run(
            [self.programs / "initdb", "--pgdata", folder / "db", "--username", "quire", "--auth", "trust", "--encoding", "UTF8",
             "--locale", "C"], capture_output=True, text=True, cwd=folder, **self.user)
        soak.check(made.returncode == 0, "initdb", made.stderr)
        self.section = f"ledger: {{url: 'postgres://quire@127.0.0.1:{self.port}/postgres?sslmode=disable'}}\n"

    def spawn_process(self):
        # What a killed one leaves of its lock says nothing once all of its processes are gone.
        (self.folder / "db" / "postmaster.pid").unlink(missing_ok=True)
        self.spawn(
            [self.programs / "postgres", "-D", self.folder / "db", "-p", str(self.port), "-c", "listen_addresses=127.0.0.1",
             "-c", "unix_socket_directories="], cwd=self.folder, **self.user)

    def remove(self):
        shutil.rmtree(self.folder.parent)


class Bucket(Backend):
    part = "blobs"
    environment = {"AWS_ACCESS_KEY_ID": "soak", "AWS_SECRET_ACCESS_KEY": "soak"}

    def __init__(self, folder):
        super().__init__(folder, soak.free_port())
        (folder / "pages").mkdir()
        self.section = f"blobs: {{url: 's3://pages/quire', endpoint: 'http://127.0.0.1:{self.port}', region: us-east-1}}\n"

    def spawn_process(self):
        self.spawn([sys.executable, HERE / "bucket_server.py", self.folder, str(self.port)])
