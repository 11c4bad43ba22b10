"""What a device is asked before and after its runner, sent as `python3 -c`: it needs no file.

    look FOLDER NAME...   a line of JSON: Python, free bytes, which libraries, hash of each file
    take FOLDER           files from a tar on the standard input
    names FOLDER          a line of JSON: the files that lie in it
    give FOLDER NAME...   a tar of them on the standard output

Python 3.6, standard library only. The first line of what counts is a mark, since a login shell
may greet.
"""

import hashlib
import importlib.util
import json
import os
import shutil
import sys
import tarfile

MARK = "dance-far-side"


def digest(path):
    """SHA-256 of a file, or None where there is none."""
    found = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                found.update(block)
    except OSError:
        return None
    return found.hexdigest()


def look(folder, names):
    """Make the folder, with those in it that files are to come into; what is there already."""
    for name in ["", *names]:
        os.makedirs(os.path.dirname(os.path.join(folder, name)), exist_ok=True)
    return {
        "python": list(sys.version_info[:3]),
        "free": shutil.disk_usage(folder).free,
        "lacks": [n for n in ("numpy", "onnxruntime") if importlib.util.find_spec(n) is None],
        "hashes": {name: digest(os.path.join(folder, name)) for name in names},
    }


def take(folder):
    """Each file under a name of its own until it is whole; the names are those that we sent."""
    with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as tar:
        for member in tar:
            source = tar.extractfile(member)
            if source is None:
                continue
            path = os.path.join(folder, member.name)
            with open(path + ".partial", "wb") as file:
                shutil.copyfileobj(source, file, 1 << 20)
            os.replace(path + ".partial", path)
    return {}


def names_in(folder):
    """Plain files; none where there is no such folder."""
    if not os.path.isdir(folder):
        return []
    paths = {name: os.path.join(folder, name) for name in sorted(os.listdir(folder))}
    return [n for n, path in paths.items() if os.path.isfile(path) and not os.path.islink(path)]


def give(folder, names):
    """Files of the folder, as they are now: a log may still grow."""
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as tar:
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:
                member = tarfile.TarInfo(name)
                member.size = os.fstat(file.fileno()).st_size
                tar.addfile(member, file)


def main(arguments):
    """The exit status: 3 for what the device refuses, told in one line."""
    verb, folder, names = arguments[0], arguments[1], arguments[2:]
    try:
        if verb == "give":
            sys.stdout.write(MARK + "\n")
            sys.stdout.flush()
            give(folder, names)
            return 0
        found = {"look": look, "take": lambda f, _: take(f), "names": lambda f, _: names_in(f)}
        sys.stdout.write(MARK + "\n" + json.dumps(found[verb](folder, names)) + "\n")
    except OSError as error:
        sys.stderr.write(f"{MARK}: {error.filename or folder}: {error.strerror}\n")
        return 3
    except tarfile.TarError as error:
        sys.stderr.write(f"{MARK}: {folder}: the copy was cut short ({error})\n")
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
