"""spec/support/smuggling.py as other servers read it, each as a proxy in front of a strict one: nginx, nghttpx, Go's.
What we take, nobody may read as other requests; what everybody refuses, we refuse; the rest is told."""
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../support"))
import smuggling          # noqa: E402
from gateway import free_port   # noqa: E402
from seen import Seen     # noqa: E402

LAST = b"GET /last HTTP/1.1\r\nHost: a\r\n\r\n"
NGINX = """\
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u;
  scgi_temp_path {folder}/s;
  server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://{behind}; proxy_http_version 1.1; proxy_set_header Connection ""; }} }}
}}
"""
# Read otherwise, and why that is theirs. Nothing of it makes another request out of a body.
KNOWN = {
    "nghttpx": {"dots stay": "it resolves them", "two slashes": "it merges them", "escapes stay": "it resolves dots and writes its own escapes"},
}


def start_nginx(folder, behind):
    port, conf = free_port(), os.path.join(folder, "nginx.conf")
    with open(conf, "w", encoding="ascii") as f:
        f.write(NGINX.format(folder=folder, port=port, behind=behind))
    return subprocess.Popen([shutil.which("nginx") or "/usr/sbin/nginx", "-c", conf, "-p", folder, "-e", os.path.join(folder, "error.log")],
                            stderr=subprocess.DEVNULL), port


def start_nghttpx(folder, behind):
    port = free_port()
    return subprocess.Popen(["nghttpx", "--conf=/dev/null", f"-f127.0.0.1,{port};no-tls", "-b" + behind.replace(":", ","), "--workers=1",
                             f"--errorlog-file={folder}/log"], stderr=subprocess.DEVNULL), port


def start_go(folder, behind):
    program = os.path.join(folder, "proxy")
    subprocess.run(["go", "build", "-o", program, os.path.join(HERE, "main.go")], check=True, env=dict(os.environ, GO111MODULE="off"))
    process = subprocess.Popen([program, behind], stdout=subprocess.PIPE, text=True)
    return process, int(process.stdout.readline().rsplit(":", 1)[1])


SERVERS = {"nginx": (start_nginx, "/usr/sbin/nginx"), "nghttpx": (start_nghttpx, "nghttpx"), "go": (start_go, "go")}


def until_it_listens(port):
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.02)
    raise SystemExit("a judge does not listen")


def read(port, behind, case):
    """What it makes of a case: the requests, and whether it read all of it."""
    del behind.requests[:]
    with socket.create_connection(("127.0.0.1", port), timeout=0.5) as s:
        try:
            s.sendall(case.data + LAST)
            while ("GET", "/last", "") not in behind.requests and s.recv(65536):
                pass
        except OSError:
            pass
    found = list(behind.requests)
    whole = ("GET", "/last", "") in found
    return [r for r in found if r[1] != "/last"], whole


def judge(name, folder):
    readings = {}
    with Seen() as behind:
        process, port = SERVERS[name][0](folder, behind.address)
        try:
            until_it_listens(port)
            for i, case in enumerate(smuggling.CASES):
                readings[i] = read(port, behind, case)
        finally:
            process.terminate()
            process.wait()
    return readings


def main():
    names = [n for n, (_, program) in SERVERS.items() if shutil.which(program) or os.path.exists(program)]
    readings, bad = {}, []
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            readings[name] = judge(name, folder)
    for name in names:
        same = refused = stricter = 0
        for i, case in enumerate(smuggling.CASES):
            seen, whole = readings[name][i]
            if case.seen is None:
                stricter += len(seen) > len(case.before)
            elif [smuggling.as_path(r) for r in seen] == case.seen:
                same += 1
            elif [smuggling.as_path(r) for r in seen] == case.seen[:len(seen)] and not whole:
                refused += 1
            elif case.name not in KNOWN.get(name, {}):
                bad.append(f"{name} reads {case.group}, {case.name}: {seen}, not {case.seen}")
        taken = sum(c.seen is not None for c in smuggling.CASES)
        print(f"{name}: of {taken} that we take it reads {same} alike and refuses {refused}; of {len(smuggling.CASES) - taken} that we refuse it takes {stricter}")
    for i, case in enumerate(smuggling.CASES):
        if case.seen is not None and names and all(len(readings[n][i][0]) < len(case.seen) for n in names):
            bad.append(f"nobody but we takes {case.group}, {case.name}")
    print("\n".join(bad))
    return 1 if bad or not names else 0


if __name__ == "__main__":
    sys.exit(main())
