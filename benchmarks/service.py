"""A `bmis serve` in a process of its own, for the scripts that measure it or attack it."""

import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

import psutil

NAME = "colonoscopy"
ADDRESS = f"/v1/segment/{NAME}"


def start(*options: str, log: Path | None = None) -> "Server":
    """Start an HTTP service of the network for colonoscopy on a free port."""
    return Server(NAME, "--port", "0", *options, log=log)


class Server:
    """A service or a node, which answers when this was made.

    Args:
        arguments: Those of `bmis serve`.
        log: Where its log goes; nowhere if None.

    Attributes:
        began: When the process was started, by `time.perf_counter`.
        host: Address and port.
        process: The process.
    """

    def __init__(self, *arguments: str, log: Path | None = None) -> None:
        self.began = time.perf_counter()
        argv = [sys.executable, "-m", "bmis", "serve", *arguments]
        self._log = log.open("wb") if log else None
        self.process = subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=self._log or subprocess.DEVNULL, text=True
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"the service did not start: {' '.join(argv)}")
        self.host = line.partition(" serves ")[0].rpartition("/")[2].rpartition(" ")[2]
        self._measured = psutil.Process(self.process.pid)

    def __enter__(self) -> "Server":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> int:
        """Stop it, and wait until it has ended; its exit status."""
        self.process.terminate()
        status = self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        if self._log:
            self._log.close()
        return status

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self.process.poll() is None

    def resident(self) -> int:
        """Bytes of memory that it holds."""
        return int(self._measured.memory_info().rss)

    def peak_resident(self) -> int:
        """Bytes of memory that it held at most (Linux)."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))

    def descriptors(self) -> int:
        """Files and sockets that it has open."""
        return int(self._measured.num_fds())
