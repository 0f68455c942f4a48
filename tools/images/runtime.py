"""The root of an image that holds Python and what Python loads, and nothing else.

Runs inside the base image, with its `python3`, while an image is built: `python3 runtime.py ROOT`.
It copies the interpreter, its standard library, the shared libraries of both as the loader
resolves them, the certificate authorities and the time zones, each to the path that it has in the
base image. Debian's records of the packages that these files come from go along, one file a
package in /var/lib/dpkg/status.d, which is where scanners of images without a package manager look.
"""

import compileall
import os
import py_compile
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

NOT_RUN = ("ensurepip", "idlelib", "lib2to3", "pydoc_data", "test", "tkinter", "turtledemo")
"""Parts of the standard library that no program of ours loads."""

DLOPENED = (
    "libgcc_s.so.1",
    "libstdc++.so.6",
    *("libdl.so.2", "libm.so.6", "libpthread.so.0", "libresolv.so.2", "librt.so.1", "libutil.so.1"),
)
"""Libraries that nothing here is linked against: glibc loads the first when a thread is cancelled,
and wheels may load the others (PEP 600 lists what they may expect of a system)."""

ALSO = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/ssl/openssl.cnf",
    "/usr/lib/ssl",
    "/usr/share/zoneinfo",
    "/etc/os-release",
    "/usr/lib/os-release",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
)

USERS = "root:x:0:0:root:/root:/sbin/nologin\nlowtide:x:65532:65532:lowtide:/tmp:/sbin/nologin\n"
GROUPS = "root:x:0:\nlowtide:x:65532:\n"


def main() -> int:
    """Fill the directory that is the only argument; return 0."""
    root = Path(sys.argv[1])
    root.mkdir(parents=True)
    for name in ("bin", "lib", "lib64"):
        if Path("/", name).is_symlink():  # a link into /usr on a merged system
            (root / name).symlink_to(Path("/", name).readlink())
            (root / name).resolve().mkdir(parents=True)
    interpreter = Path(sys.executable)
    library = Path(sysconfig.get_path("stdlib"))
    loaded = libraries([interpreter, *sorted((library / "lib-dynload").glob("*.so"))])

    copied = [interpreter, *loaded, *(Path(name) for name in ALSO if Path(name).exists())]
    for path in copied:
        copy(path, root)
    shutil.copytree(
        library,
        inside(library, root),
        symlinks=True,
        ignore=shutil.ignore_patterns(*NOT_RUN, "__pycache__", "config-*", "*-packages", "*.a"),
    )
    # The time of a file is that of its image's build, so compiled files are checked against none.
    compileall.compile_dir(
        inside(library, root),
        stripdir=str(root),
        quiet=1,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    for package, record in sorted(packages([*copied, library]).items()):
        write(root / "var/lib/dpkg/status.d" / package, record)
    write(root / "etc/passwd", USERS)
    write(root / "etc/group", GROUPS)
    write(root / "etc/nsswitch.conf", "hosts: files dns\n")
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o1777)
    subprocess.run(["ldconfig", "-X", "-r", root], check=True)
    return 0


def libraries(programs: Sequence[Path]) -> list[Path]:
    """Return the shared libraries that `programs` are linked against, and those of `DLOPENED`."""
    listed = subprocess.run(["ldconfig", "-p"], check=True, capture_output=True, text=True).stdout
    named = [
        Path(line.split("=>")[1].strip())
        for name in DLOPENED
        for line in listed.splitlines()
        if line.split() and line.split()[0] == name
    ]
    linked = subprocess.run(
        ["ldd", *programs, *named], check=True, capture_output=True, text=True
    ).stdout
    found = {Path(path) for path in re.findall(r"(/\S+\.so\S*) \(0x", linked)}
    return sorted({*named, *found})


def inside(path: Path, root: Path) -> Path:
    """Return where `path` of the base image lies below `root`."""
    return root / path.relative_to("/")


def copy(path: Path, root: Path) -> None:
    """Copy a file or a directory to its own path below `root`, with what a link leads to."""
    there = inside(path, root)
    if there.is_symlink() or there.exists():
        return
    there.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink():
        there.symlink_to(path.readlink())
        if path.resolve().is_file():
            copy(Path(os.path.normpath(path.parent / path.readlink())), root)
    elif path.is_dir():
        shutil.copytree(path, there, symlinks=True)
    else:
        shutil.copy2(path, there)


def packages(paths: Sequence[Path]) -> dict[str, str]:
    """Return dpkg's records, by package, of those that `paths` belong to."""
    owners = set()
    for path in paths:
        # A package may have placed the file below /lib, before that became a link into /usr.
        for name in {str(path), str(path.resolve()), str(path.resolve()).removeprefix("/usr")}:
            found = subprocess.run(["dpkg-query", "-S", name], capture_output=True, text=True)
            owners.update(re.findall(r"^([^\s,]+): ", found.stdout, re.MULTILINE))
    return {
        owner.partition(":")[0]: subprocess.run(
            ["dpkg-query", "-s", owner], check=True, capture_output=True, text=True
        ).stdout
        for owner in owners
    }


def write(path: Path, text: str) -> None:
    """Write `text` to a file whose directory may be missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


if __name__ == "__main__":
    sys.exit(main())
