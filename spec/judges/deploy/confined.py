"""Runs a command as the pod or the unit would: confined.py SETTINGS (JSON on standard input) -- COMMAND.

Called as root in namespaces of its own (unshare -m -n -p -f): what it mounts and forbids ends with it.
  root     an empty folder for the new root
  below    folders of the host that are seen, read-only: {path: folder}
  layers   folders laid over the host's /usr
  written  folders that can be written: {path: folder}
  tmp      folders of their own, empty and writable
  uid      user and group; no capabilities, no new privileges
  syscalls names that are allowed, families of sockets likewise; no memory that is both written and run
"""
import ctypes
import json
import os
import re
import struct
import subprocess
import sys

ALLOW, EPERM, EAFNOSUPPORT = 0x7FFF0000, 0x00050001, 0x00050000 | 97
JUMP_IF_SAME, LOAD, RETURN = 0x15, 0x20, 0x06
libc = ctypes.CDLL(None, use_errno=True)


def call(name, *args):
    if getattr(libc, name)(*args) != 0:
        raise OSError(ctypes.get_errno(), name)


def mount(*args):
    subprocess.run(["mount", *args], check=True)


def show(root, path, folder, *options):
    """A folder of the host's, or of the test's, below the new root."""
    os.makedirs(root + path, exist_ok=True)
    mount("--bind", folder, root + path)
    if options:
        mount("-o", ",".join(("remount", "bind", *options)), root + path)


def build(s):
    root = s["root"]
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    mount("--make-rprivate", "/")
    mount("-t", "tmpfs", "-o", "mode=755", "none", root)
    os.mkdir(root + "/usr")
    mount("-t", "overlay", "none", "-o", "lowerdir=" + ":".join([*s["layers"], "/usr"]), root + "/usr")
    for name in ("bin", "lib", "lib64"):
        os.symlink("usr/" + name, f"{root}/{name}")
    for path, folder in s["below"].items():
        show(root, path, folder, "ro", "nosuid")
    for path in s["tmp"]:
        os.makedirs(root + path)
        mount("-t", "tmpfs", "-o", "mode=1777,nosuid,nodev", "none", root + path)
    for path, folder in s["written"].items():
        show(root, path, folder, "nosuid")
    for path, target in s.get("links", {}).items():
        os.symlink(target, root + path)
    os.mkdir(root + "/proc")
    mount("-t", "proc", *(["-o", s["proc"]] if s.get("proc") else []), "proc", root + "/proc")
    os.mkdir(root + "/dev")
    for name in ("null", "urandom"):
        open(f"{root}/dev/{name}", "wb").close()
        mount("--bind", "/dev/" + name, f"{root}/dev/{name}")
    mount("-o", "remount,ro", root)


def numbers():
    with open("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", encoding="ascii") as f:
        return {name: int(n) for name, n in re.findall(r"__NR_(\w+) (\d+)", f.read())}


def seccomp_filter(s):
    """As systemd makes it of SystemCallFilter and RestrictAddressFamilies."""
    known = numbers()
    allowed = sorted({known[name] for name in s["syscalls"] if name in known} - {known["socket"]})
    program = [(LOAD, 0, 0, 0)]
    for number in allowed:
        program += [(JUMP_IF_SAME, 0, 1, number), (RETURN, 0, 0, ALLOW)]
    program += [(JUMP_IF_SAME, 1, 0, known["socket"]), (RETURN, 0, 0, EPERM), (LOAD, 0, 0, 16)]
    for family in s["families"]:
        program += [(JUMP_IF_SAME, 0, 1, family), (RETURN, 0, 0, ALLOW)]
    program.append((RETURN, 0, 0, EAFNOSUPPORT))
    return program


def seccomp(program):
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    call("prctl", 22, 2, struct.pack("HxxxxxxP", len(program), ctypes.addressof(code)), 0, 0)


def confine(s, program):
    os.chroot(s["root"])
    os.chdir(s["cwd"])
    for capability in range(64):
        libc.prctl(24, capability, 0, 0, 0)      # out of the bounding set
    os.setgroups([])
    os.setgid(s["uid"])
    os.setuid(s["uid"])                           # with it go all others
    os.umask(s["umask"])
    call("prctl", 38, 1, 0, 0, 0)                 # no new privileges
    call("prctl", 65, 1, 0, 0, 0)                 # no memory that is written and run
    seccomp(program)


def main():
    s = json.load(sys.stdin)
    program = seccomp_filter(s)
    build(s)
    if os.fork() == 0:
        confine(s, program)
        os.execve(sys.argv[1], sys.argv[1:], s["env"])
    sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))


main()
