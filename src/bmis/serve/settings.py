"""What ``bmis serve`` is asked to do."""

import ipaddress
from dataclasses import dataclass, field
from typing import Annotated

from msgspec import Meta

from bmis.config import RuntimeOptions, Settings
from bmis.errors import ConfigError


@dataclass(frozen=True)
class ServeSettings(Settings):
    """What ``bmis serve`` is asked to do.

    Example:
        >>> ServeSettings(("nuclei",)).max_bytes
        67108864
        >>> ServeSettings(host="0.0.0.0")
        Traceback (most recent call last):
        bmis.errors.ConfigError: 0.0.0.0 can be reached from other machines, so it needs ...
    """

    models: Annotated[
        tuple[str, ...],
        Meta(
            description="Bundles, or names of networks that come with the package; all of these "
            "if none is named."
        ),
    ] = ()
    host: Annotated[str, Meta(min_length=1, description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[
        int, Meta(ge=0, le=65535, description="Port to listen on; 0 is any free one.")
    ] = 8000
    token_file: Annotated[
        str | None,
        Meta(description="File of tokens, one a line; a client must send one of them."),
    ] = None
    max_mb: Annotated[
        int,
        Meta(ge=1, le=4096, description="Megabytes of a body, and of what a zip unpacks to."),
    ] = 64
    max_pixels: Annotated[
        int, Meta(ge=1, le=2**31, description="Pixels of all pictures of a request together.")
    ] = 50_000_000
    timeout: Annotated[
        int,
        Meta(ge=1, le=3600, description="Seconds for a body to come, and as many for its answer."),
    ] = 60
    queue: Annotated[
        int, Meta(ge=1, le=10_000, description="Requests that may wait or be computed at a time.")
    ] = 16
    workers: Annotated[
        int, Meta(ge=1, le=64, description="Requests that are computed at a time.")
    ] = 1
    sessions: Annotated[
        int,
        Meta(
            ge=0,
            le=1000,
            description="Sessions of MONAI Label at a time, each with images that are kept until "
            "half an hour after their last use; 0 is none.",
        ),
    ] = 8
    runtime: Annotated[RuntimeOptions, Meta(description="How the networks are run.")] = field(
        default_factory=RuntimeOptions
    )

    def __post_init__(self) -> None:
        """Check every value, and that nobody but the machine itself comes in without a token."""
        super().__post_init__()
        if self.token_file is None and not self.is_loopback:
            raise ConfigError(
                f"{self.host} can be reached from other machines, so it needs tokens; give "
                "--token-file FILE, or leave the host out"
            )

    @property
    def is_loopback(self) -> bool:
        """Whether only programs on this machine reach the host."""
        try:
            return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback
        except ValueError:  # another name, which may mean anything
            return False

    @property
    def max_bytes(self) -> int:
        """The limit on a body in bytes."""
        return self.max_mb * 2**20
