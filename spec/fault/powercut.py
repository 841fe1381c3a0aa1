"""What a disk may hold after a power cut, from the notes of powercut.c.

What was synced is there. Of the rest, by how:
  none    nothing
  all     everything (a kill, no power cut)
  prefix  what was done first, up to an instant of each file and folder
  torn    each sector of a file by itself has some version, sizes and names too
A file's own sync does not keep its name: that takes a sync of its folder."""
import os
import shutil
import struct

CREATE, SIZE, WRITE, RENAME, UNLINK, MKDIR, SYNC_BEGIN, SYNC_END = range(1, 9)
HEAD = struct.Struct("IIQQ")
SECTOR = 512
WAYS = ("none", "prefix", "torn", "torn", "all")


class File:
    def __init__(self, content=b""):
        self.content, self.pending = bytearray(content), []        # pending: (time, offset, bytes) or (time, size, None)

    def sync(self, until):
        while self.pending and self.pending[0][0] < until:
            self._do(self.pending.pop(0))

    def _do(self, operation):
        _, at, data = operation
        if data is None:
            self._resize(at)
            return
        if len(self.content) < at + len(data):
            self._resize(at + len(data))
        self.content[at:at + len(data)] = data

    def _resize(self, size):
        del self.content[size:]
        self.content.extend(bytes(size - len(self.content)))

    def cut(self, chance, how):
        if how == "torn":
            return self._tear(chance)
        keep = {"none": 0, "all": len(self.pending), "prefix": chance.randint(0, len(self.pending))}[how]
        for operation in self.pending[:keep]:
            self._do(operation)
        return bytes(self.content)

    def _tear(self, chance):
        """The size of some instant, and in each sector the bytes of some instant, another one in each."""
        old, sizes, versions = bytes(self.content), [len(self.content)], {}
        for operation in self.pending:
            self._do(operation)
            sizes.append(len(self.content))
            if operation[2] is not None:
                first, last = operation[1] // SECTOR, (operation[1] + len(operation[2]) - 1) // SECTOR
                for s in range(first, last + 1):
                    versions.setdefault(s, []).append(bytes(self.content[s * SECTOR:(s + 1) * SECTOR]))
        size = chance.choice(sizes)
        out = bytearray(old[:size].ljust(size, b"\0"))
        share = chance.choice((0.1, 0.5, 0.9))
        for s, every in sorted(versions.items()):
            if chance.random() < share:
                data = chance.choice(every)[:max(0, size - s * SECTOR)]
                out[s * SECTOR:s * SECTOR + len(data)] = data
        return bytes(out)


class Folder:
    def __init__(self):
        self.pending = []                # (time, what, path, file or None, new path of a RENAME)


class Disk:
    """A folder of a gateway (not what lies in it of the tests: see `ours`)."""

    def __init__(self, root, ours):
        self.root, self.ours = os.path.realpath(root), ours
        self.names, self.folders, self.by_inode = {}, {}, {}
        self.now, self.time = {}, 0                            # names as the process saw them
        self.spares = set()                                    # names of segments that were trimmed
        self.rolled = self.trimmed = self.reused = 0           # segments

    def load(self):
        """What is there now is synced."""
        self.names, self.folders, self.by_inode, self.time = {}, {}, {}, 0
        for folder, _, files in os.walk(self.root):
            if folder != self.root and not self.ours(os.path.relpath(folder, self.root)):
                continue
            self._add_folder(folder, os.stat(folder).st_ino)
            self.names[folder] = None
            for name in files:
                path = os.path.join(folder, name)
                if self.ours(os.path.relpath(path, self.root)):
                    with open(path, "rb") as f:
                        self.names[path] = File(f.read())
                        self.by_inode[os.fstat(f.fileno()).st_ino] = self.names[path]
        self.now = {path: file for path, file in self.names.items() if file}

    def _add_folder(self, path, inode):
        self.folders[path] = self.by_inode[inode] = Folder()

    # ---- the notes
    def replay(self, journal):
        """A life has ended. What it has not synced may still be synced by the next one, unless the power is cut."""
        with open(journal, "rb") as f:
            notes = f.read()
        begun, at = {}, 0
        while at + HEAD.size <= len(notes):
            note, length, a, b = HEAD.unpack_from(notes, at)
            data = notes[at + HEAD.size:at + HEAD.size + length]
            at += HEAD.size + length
            if len(data) < length:
                break
            self.time += 1
            if note in (SYNC_BEGIN, SYNC_END):
                self._sync(begun, note, a, b)
            elif note in (WRITE, SIZE):
                self.by_inode[a].pending.append((self.time, b, data if note == WRITE else None))
            else:
                self._name(note, a, data.decode())

    def _sync(self, begun, note, token, inode):
        if note == SYNC_BEGIN:
            begun[token] = (self.time, self.by_inode[inode])
            return
        until, what = begun.pop(token)
        if isinstance(what, File):
            what.sync(until)
            return
        while what.pending and what.pending[0][0] < until:
            self._rename(what.pending.pop(0))

    def _name(self, note, inode, text):
        path, _, to = text.partition("\0")
        folder = self.folders[os.path.dirname(path)]
        if note == MKDIR:
            self._add_folder(path, inode)
            folder.pending.append((self.time, MKDIR, path, None))
        elif note == CREATE:
            self.now[path] = self.by_inode[inode] = File()
            folder.pending.append((self.time, CREATE, path, self.now[path]))
        elif note == UNLINK:
            self._count(path, ".free")
            folder.pending.append((self.time, UNLINK, path, self.now.pop(path, None)))
        else:
            assert os.path.dirname(to) == os.path.dirname(path)
            self.now[to] = self.now.pop(path)
            self._count(path, to)
            folder.pending.append((self.time, RENAME, path, self.now[to], to))

    def _count(self, path, to):
        if "/segments/" in path:
            spare = path.endswith(".free")
            self.rolled += spare and not to.endswith(".free")
            self.reused += spare and not to.endswith(".free") and path in self.spares
            self.trimmed += not spare
            if not spare:
                self.spares.add(to)

    def _rename(self, operation):
        _, what, path, file, *to = operation
        if what in (UNLINK, RENAME) and self.names.get(path) is file:
            self.names.pop(path, None)
        if what in (CREATE, MKDIR):
            self.names[path] = file
        elif what == RENAME:
            self.names[to[0]] = file

    # ---- the cut
    def cut(self, chance, how):
        """Writes what the disk holds. Each folder's names are those of some instant: file systems keep their order."""
        for folder in self.folders.values():
            some = chance.choice((0, len(folder.pending), chance.randint(0, len(folder.pending))))
            for operation in folder.pending[:{"none": 0, "all": len(folder.pending)}.get(how, some)]:
                self._rename(operation)
        self.names = {path: f for path, f in self.names.items() if self.ours(os.path.relpath(path, self.root)) or path == self.root}
        contents = {file: file.cut(chance, how) for file in self.names.values() if file}
        for name in os.listdir(self.root):
            if self.ours(name):
                path = os.path.join(self.root, name)
                (shutil.rmtree if os.path.isdir(path) else os.unlink)(path)
        for path in sorted(self.names):
            if path != self.root and not self._reachable(path):
                continue
            if self.names[path] is None:
                os.makedirs(path, exist_ok=True)
            else:
                with open(path, "wb") as f:
                    f.write(contents[self.names[path]])

    def _reachable(self, path):
        while path != self.root:
            path = os.path.dirname(path)
            if path not in self.names:
                return False
        return True
