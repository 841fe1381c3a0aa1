"""A command with its standard output on a terminal."""
import os
import pty
import subprocess

from gateway import BINARY


def on_terminal(*args, cwd):
    """(exit status, what it wrote)."""
    master, slave = pty.openpty()
    with subprocess.Popen([BINARY, *args], cwd=cwd, stdout=slave, stderr=subprocess.PIPE) as child:
        os.close(slave)
        seen = b""
        while True:
            try:
                piece = os.read(master, 4096)
            except OSError:
                break
            if not piece:
                break
            seen += piece
    os.close(master)
    return child.returncode, seen
