"""A Debian for arm64 on an x86 machine, run by QEMU as a board's processor."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from device import PACKAGES

from bmis.system.files import write_json

CHECKOUT = Path(__file__).parents[1]
SUITE, MIRROR = "bookworm", "http://deb.debian.org/debian"  # its Python is 3.11
PYTHON = "3.11"
FOLDER = "bmis-check"  # in the root; everything but Debian is in it
BOARDS = {  # processor of QEMU, and what Linux reports of it: features and part
    "Raspberry Pi 4": ("cortex-a72", "fp asimd evtstrm crc32 cpuid", 0xD08),
    "Raspberry Pi 5": (
        "cortex-a76",
        "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc "
        "dcpop asimddp",
        0xD0B,
    ),
}


class Board:
    """A Debian for arm64, run as a board's processor.

    Args:
        root: Its folder.
        name: One of ``BOARDS``.
    """

    def __init__(self, root: Path, name: str) -> None:
        self.root, self.work = root, root / FOLDER
        self.cpu, features, part = BOARDS[name]
        self._cpuinfo = self.work / f"cpuinfo-{self.cpu}"
        self._sys = self.work / f"sys-{self.cpu}"
        cores = sorted(os.sched_getaffinity(0))
        self._cpuinfo.write_text("".join(_cpuinfo(core, features, part) for core in cores))
        _write_sys(self._sys / "devices/system/cpu", cores, part)

    def run(self, *command: str) -> str:
        """Run a command in the root; its /proc and /sys say what they say on the board."""
        script = (
            'mount -t proc proc "$0/proc" && mount --bind "$1" "$0/proc/cpuinfo" && '
            'mount --bind "$2" "$0/sys" && shift 2 && '
            f'exec chroot "$0" /usr/bin/env -C /{FOLDER} "$@"'
        )
        own = map(str, (self.root, self._cpuinfo, self._sys))
        private = ["unshare", "--mount", "sh", "-c", script, *own]
        home = f"/{FOLDER}/home"
        environment = {
            "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": home,
            "LANG": "C.UTF-8",
            "QEMU_CPU": self.cpu,
        }
        run = subprocess.run(
            [*private, *command], capture_output=True, text=True, env=environment, check=False
        )
        if run.returncode:
            sys.exit(f"{' '.join(command)[:200]}: {run.stderr.strip()[-2000:]}")
        return run.stdout


def _cpuinfo(core: int, features: str, part: int) -> str:
    """What Linux says of one core in /proc/cpuinfo."""
    return (
        f"processor\t: {core}\nBogoMIPS\t: 108.00\nFeatures\t: {features}\n"
        f"CPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x0\n"
        f"CPU part\t: {part:#x}\nCPU revision\t: 3\n\n"
    )


def _write_sys(folder: Path, cores: Sequence[int], part: int) -> None:
    """What Linux says of the cores in /sys.

    Without it ONNX Runtime does not learn what the processor can do, and OpenVINO crashes.
    """
    numbers = ",".join(map(str, cores))
    files = dict.fromkeys(("possible", "present", "online"), numbers)
    for core in cores:
        files |= {
            f"cpu{core}/regs/identification/midr_el1": f"{0x410F0003 | part << 4:#018x}",
            f"cpu{core}/topology/core_id": str(core),
            f"cpu{core}/topology/physical_package_id": "0",
            f"cpu{core}/topology/thread_siblings": f"{1 << core:x}",
            f"cpu{core}/topology/thread_siblings_list": str(core),
            f"cpu{core}/topology/core_siblings": f"{sum(1 << one for one in cores):x}",
            f"cpu{core}/topology/core_siblings_list": numbers,
        }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{text}\n")


def make_root(root: Path) -> None:
    """Debian for arm64 with Python, if it is not there."""
    if (root / "debootstrap").exists():
        sys.exit(f"{root}: holds a Debian that was not finished; delete it")
    if not (root / "usr/bin/python3").exists():
        include = "--include=python3,python3-venv,python3-pip"
        subprocess.run(
            ["debootstrap", "--arch=arm64", "--variant=minbase", include, SUITE, root, MIRROR],
            check=True,
        )
    (root / FOLDER / "home").mkdir(parents=True, exist_ok=True)


def fetch(folder: Path, minors: tuple[int, ...], *wanted: str) -> None:
    """Wheels for aarch64; nothing that would have to be compiled."""
    platforms = [f"--platform=manylinux_2_{minor}_aarch64" for minor in minors]
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--dest", folder),
            *("--only-binary=:all:", f"--python-version={PYTHON}", "--implementation=cp"),
            *(*platforms, "--platform=manylinux2014_aarch64", *wanted),
        ],
        check=True,
    )


class Steps:
    """What the steps found, kept in a file: a run that was stopped goes on, with the same files.

    Args:
        path: The file.
        digest: Of the files that are tried; with others all begins anew.
    """

    def __init__(self, path: Path, digest: str) -> None:
        self._path = path
        known: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
        fresh: dict[str, Any] = {"digest": digest, "seconds": 0.0}
        self._known = known if known.get("digest") == digest else fresh

    @property
    def seconds(self) -> float:
        """Time of all steps."""
        return float(self._known["seconds"])

    def __call__(self, name: str, do: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Do a step, or take what it found before."""
        if name not in self._known:
            begun = time.monotonic()
            self._known[name] = do()
            self._known["seconds"] += time.monotonic() - begun
            write_json(self._path, self._known)
        found: dict[str, Any] = self._known[name]
        print(name, json.dumps(found), flush=True)
        return found

    def forget(self) -> None:
        self._path.unlink()


def copy_checkout(target: Path) -> str:
    """The files that git knows, as they are now, and their digest."""
    shutil.rmtree(target, ignore_errors=True)
    digest = sha256()
    names = subprocess.run(
        ["git", "-C", CHECKOUT, "ls-files", "-z", "src", "pyproject.toml", "README.md", "LICENSE"],
        check=True, capture_output=True, text=True,
    ).stdout.split("\0")  # fmt: skip
    for name in filter(None, names):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(CHECKOUT / name, target / name)
        digest.update(name.encode() + (target / name).read_bytes())
    return digest.hexdigest()


def install_anew(board: Board) -> dict[str, Any]:
    """The device side alone, in a new environment."""
    shutil.rmtree(board.work / "device", ignore_errors=True)
    board.run("python3", "-m", "venv", "--without-pip", "device")
    return install(board)


def install(board: Board, *extras: str) -> dict[str, Any]:
    """Install the package into the environment from the wheels alone; what all of it takes."""
    what = f"./source[{','.join(extras)}]" if extras else "./source"
    offline = ("--no-index", "--find-links", "wheels", "--quiet")
    board.run("pip", "--python", "device/bin/python", "install", *offline, what)
    found: dict[str, int] = json.loads(board.run("device/bin/python", "-c", PACKAGES))
    return {
        "installed_mb": sum(found.values()) / 1e6,
        "packages_mb": {
            name: size / 1e6 for name, size in sorted(found.items(), key=lambda item: -item[1])
        },
    }
