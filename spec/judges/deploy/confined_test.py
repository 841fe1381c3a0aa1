"""The gateway as `make install` lays it out, under the restrictions that chart and unit set: it starts, takes events, takes up a changed
script and stops; and what is forbidden is forbidden."""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest
import yaml

from chart_test import CHART, ROOT, container, pod, run, settings, template, values
from files_test import sources, unit

HERE = os.path.dirname(__file__)
CONFIG = """
  pipelines: [{name: all, hooks: [v.lua], publisher: {type: http, url: "http://127.0.0.1:9"}}]
"""
SCRIPT = "return function(event) event.v = '%s'; return false, '%s' end\n"

pytestmark = pytest.mark.skipif(os.geteuid() != 0 or subprocess.run(["unshare", "-mnpf", "true"], check=False).returncode != 0,
                                reason="no namespaces here: it wants root and unshare")


def wait_until(true, why):
    end = time.monotonic() + 120
    while not true():
        assert time.monotonic() < end, why()
        time.sleep(0.02)


@pytest.fixture(scope="session")
def image(tmp_path_factory):
    """What the Dockerfile builds, from what it copies and nothing else."""
    folder = tmp_path_factory.mktemp("image")
    for path in sources():
        copy = shutil.copytree if os.path.isdir(f"{ROOT}/{path}") else shutil.copy
        os.makedirs(os.path.dirname(folder / "src" / path), exist_ok=True)
        copy(f"{ROOT}/{path}", folder / "src" / path)
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    done = subprocess.run(["nice", "make", "-s", "OPT=-O0", "install", "PREFIX=/usr", f"DESTDIR={folder}/image"], cwd=folder / "src", env=env,
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder / "image"


def config_map(folder, files):
    """As a kubelet puts a version of a volume in place: all of its files at one moment."""
    number = len(os.listdir(folder))
    (folder / f"..{number}").mkdir()
    for name, text in files.items():
        (folder / f"..{number}" / name).write_text(text)
        if not os.path.lexists(folder / name):
            os.symlink(f"..data/{name}", folder / name)
    os.symlink(f"..{number}", folder / "..data_tmp")
    os.rename(folder / "..data_tmp", folder / "..data")


def allowed(groups):
    """The names of systemd's sets of system calls, without those that the sets hold in turn."""
    names = set()
    for group in groups:
        lines = [line.strip() for line in run("systemd-analyze", "--no-pager", "syscall-filter", group).splitlines()[1:]]
        names |= {n for n in lines if n and not n.startswith(("#", "@"))} | allowed([n for n in lines if n.startswith("@")])
    return names


class Confined:
    """A gateway in namespaces of its own; tools that look at it are started in them, too."""

    def __init__(self, folder, image, uid, **more):
        (folder / "root").mkdir()
        for inner in ("log", "config"):
            (folder / inner).mkdir(exist_ok=True)
        s = {"root": str(folder / "root"), "layers": [str(image / "usr")], "uid": uid, "umask": 0o22, "tmp": [], "cwd": "/var/lib/moongate",
             "env": {"PATH": "/usr/bin"}, "syscalls": sorted(allowed([unit()["SystemCallFilter"]])),
             "families": [int(getattr(socket, name)) for name in unit()["RestrictAddressFamilies"].split()],
             "below": {"/etc/moongate": str(folder / "config")}, "written": {"/var/lib/moongate": str(folder / "log")}, **more}
        self.log_file = folder / "stderr.log"
        with open(self.log_file, "wb") as log:
            self.shell = subprocess.Popen(["unshare", "-mnpf", "--kill-child", sys.executable, HERE + "/confined.py", "/usr/bin/moongate", "run", "-c",
                                           "/etc/moongate/moongate.yaml"], stdin=subprocess.PIPE, stdout=log, stderr=log)
        self.shell.stdin.write(json.dumps(s).encode())
        self.shell.stdin.close()
        wait_until(self.find, self.log)

    def log(self):
        return self.log_file.read_text(errors="replace")

    def find(self):
        """The gateway's process, once it is that."""
        assert self.shell.poll() is None, self.log()
        pid = self.shell.pid
        try:
            for _ in range(2):
                with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
                    pid = int(f.read().split()[0])
            self.pid = pid
            return os.readlink(f"/proc/{pid}/exe").endswith("/bin/moongate")
        except (OSError, IndexError):
            return False

    def inside(self, *argv, status=0):
        """A command of the host's, in the gateway's network."""
        return run("nsenter", "-t", str(self.pid), "-n", *argv, status=status)

    def get(self, path):
        assert self.shell.poll() is None, self.log()
        done = subprocess.run(["nsenter", "-t", str(self.pid), "-n", "curl", "-s", "-w", "\n%{http_code}", "http://127.0.0.1:9090" + path],
                              capture_output=True, text=True, check=False)
        return done.stdout.rsplit("\n", 1)[-1], done.stdout.rsplit("\n", 1)[0]

    def status(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as f:
            return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)

    def send(self, image):
        self.inside(str(image / "usr/bin/moongate"), "send", "--grpc", "127.0.0.1:8089", "--count", "1")

    def stop(self):
        os.kill(self.pid, signal.SIGTERM)
        assert self.shell.wait(60) == 0, self.log()

    def kill(self):
        if self.shell.poll() is None:
            self.shell.kill()
            self.shell.wait()


def opened(folder):
    """Mounted from folders that only root may enter, so the test's own are not in the way."""
    for name in ("config", "run"):
        if (folder / name).exists():
            (folder / name).chmod(0o755)


def pod_values(folder):
    return values(folder, f"config:{CONFIG}scripts:\n  v.lua: |\n    {SCRIPT % ('one', 'one')}")


def whole(g, image, folder):
    """What is asked of each."""
    wait_until(lambda: g.get("/readyz")[0] == "200", g.log)
    assert g.get("/healthz")[0] == "200"
    status = g.status()
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == int(status["CapPrm"], 16) == 0
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2" and status["Uid"].split()[0] != "0"
    for path in ("/x", "/usr/x", "/etc/moongate/x"):
        assert "Read-only" in run("touch", f"/proc/{g.pid}/root{path}", status=1)
    g.send(image)
    wait_until(lambda: json.loads(g.get("/api/pipelines")[1])[0]["filtered"] == 1, lambda: g.log() + g.get("/api/pipelines")[1])
    config = g.files()
    config_map(folder / "config", {**config, "v.lua": SCRIPT % ("two", "two")})
    wait_until(lambda: "script reloaded" in g.log(), g.log)
    g.send(image)
    wait_until(lambda: json.loads(g.get("/api/pipelines")[1])[0]["filtered"] == 2, g.log)
    assert os.listdir(folder / "log/log")
    g.stop()


def test_in_the_pod(image, tmp_path):
    text = template("-f", pod_values(tmp_path))
    p, c = pod(text), container(text)
    assert c["securityContext"]["readOnlyRootFilesystem"] and c["securityContext"]["capabilities"] == {"drop": ["ALL"]} and c["args"][0] == "run"
    files = {"moongate.yaml": settings(text), "v.lua": SCRIPT % ("one", "one")}
    (tmp_path / "config").mkdir()
    config_map(tmp_path / "config", files)
    (tmp_path / "log").mkdir()
    os.chown(tmp_path / "log", 0, p["securityContext"]["fsGroup"])      # as the kubelet leaves a volume
    os.chmod(tmp_path / "log", 0o2775)
    opened(tmp_path)
    g = Confined(tmp_path, image, p["securityContext"]["runAsUser"], cwd=c["workingDir"])
    g.files = lambda: files
    try:
        whole(g, image, tmp_path)
    finally:
        g.kill()


def test_in_the_unit(image, tmp_path):
    u = unit()
    assert u["ProtectSystem"] == "strict" and u["PrivateTmp"] == u["MemoryDenyWriteExecute"] == u["DynamicUser"] == "yes"
    ran = u["ExecStart"].split()
    assert os.path.basename(ran[0]) == "moongate" and ran[1:] == ["run", "-c", "/etc/moongate/moongate.yaml"]
    user = 62000                                   # of those that DynamicUser takes
    (tmp_path / "config").mkdir()
    files = {"moongate.yaml": "log: {path: /var/lib/moongate/log}\n" + yaml.safe_dump(yaml.safe_load(CONFIG)), "v.lua": SCRIPT % ("one", "one")}
    config_map(tmp_path / "config", files)
    (tmp_path / "log").mkdir(mode=int(u["StateDirectoryMode"], 8))
    os.chown(tmp_path / "log", user, user)
    opened(tmp_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
        (tmp_path / "run").mkdir()
        ready.bind(str(tmp_path / "run/notify"))
        os.chmod(tmp_path / "run/notify", 0o666)
        ready.settimeout(120)
        g = Confined(tmp_path, image, user, cwd=u["WorkingDirectory"], umask=int(u["UMask"], 8), tmp=["/tmp", "/var/tmp"],
                     below={"/etc/moongate": str(tmp_path / "config"), "/run/systemd": str(tmp_path / "run")},
                     written={"/var/lib/private/moongate": str(tmp_path / "log")}, links={"/var/lib/moongate": "private/moongate"},
                     proc="hidepid=invisible,subset=pid", env={"NOTIFY_SOCKET": "/run/systemd/notify", "STATE_DIRECTORY": "/var/lib/moongate"})
        g.files = lambda: files
        try:
            assert ready.recv(100) == b"READY=1"
            whole(g, image, tmp_path)
        finally:
            g.kill()
