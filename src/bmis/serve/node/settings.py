"""What ``bmis serve --dicom`` is asked to do."""

from dataclasses import dataclass, field
from typing import Annotated

from msgspec import Meta

from bmis.config import RuntimeOptions, Settings
from bmis.errors import ConfigError

AeTitle = Annotated[
    str, Meta(pattern=r"\A(?! )[ -\[\]-~]{1,16}(?<! )\Z", title="an AE title, 1 to 16 characters")
]
_HOURS = 3600


@dataclass(frozen=True)
class NodeSettings(Settings):
    """What ``bmis serve --dicom`` is asked to do.

    Example:
        >>> NodeSettings(11112, spool="s", rules="r.yaml", peers=("CT1@10.0.0.7",)).aet
        'BMIS'
        >>> NodeSettings(dicom=11112)
        Traceback (most recent call last):
        bmis.errors.ConfigError: a DICOM node needs --spool FOLDER
    """

    dicom: Annotated[
        Annotated[int, Meta(ge=0, le=65535)] | None,
        Meta(description="Be a DICOM node on this port instead; 0 is any free one."),
    ] = None
    host: Annotated[str, Meta(min_length=1, description="Address to listen on.")] = "127.0.0.1"
    aet: Annotated[AeTitle, Meta(description="AE title of the node.")] = "BMIS"
    spool: Annotated[
        str | None, Meta(description="Folder where objects lie until they are answered.")
    ] = None
    rules: Annotated[
        str | None, Meta(description="YAML file: which network answers what, and to whom.")
    ] = None
    peers: Annotated[
        tuple[str, ...],
        Meta(description="Who may send: AET@host, AET@address or AET@network/bits."),
    ] = ()
    quiet: Annotated[
        float,
        Meta(ge=0, le=_HOURS, description="Seconds without a new object that end a series."),
    ] = 10.0
    object_mb: Annotated[
        int, Meta(ge=1, le=16384, description="Megabytes of a DICOM object that is received.")
    ] = 1024
    spool_gb: Annotated[
        float, Meta(gt=0, le=10**6, description="Gigabytes of the spool; then nothing is taken.")
    ] = 20.0
    associations: Annotated[
        int, Meta(ge=1, le=256, description="Senders that are served at a time.")
    ] = 8
    idle: Annotated[
        float,
        Meta(gt=0, le=_HOURS, description="Seconds without data after which a sender is cut off."),
    ] = 60.0
    retry: Annotated[
        float,
        Meta(
            gt=0,
            le=_HOURS,
            description="Seconds until a result is sent again; doubled each time, to an hour.",
        ),
    ] = 5.0
    give_up: Annotated[
        float, Meta(ge=0, le=8760, description="Hours after which a result is no longer sent.")
    ] = 72.0
    tls_cert: Annotated[
        str | None, Meta(description="Certificate of the node (PEM); then senders must use TLS.")
    ] = None
    tls_key: Annotated[str | None, Meta(description="Key of the certificate (PEM).")] = None
    tls_ca: Annotated[
        str | None,
        Meta(
            description="Authorities (PEM) of which senders, and receivers by TLS, need a "
            "certificate."
        ),
    ] = None
    metrics_port: Annotated[
        Annotated[int, Meta(ge=0, le=65535)] | None,
        Meta(description="Port for Prometheus on 127.0.0.1."),
    ] = None
    runtime: Annotated[RuntimeOptions, Meta(description="How the networks are run.")] = field(
        default_factory=RuntimeOptions
    )

    def __post_init__(self) -> None:
        """Check every value, and that what a node cannot do without is there."""
        super().__post_init__()
        for name, what in (("spool", "FOLDER"), ("rules", "FILE"), ("peers", "AET@HOST,...")):
            if self.dicom is not None and not getattr(self, name):
                raise ConfigError(f"a DICOM node needs --{name} {what}")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ConfigError("TLS needs --tls-cert FILE and --tls-key FILE, both or none")
        if self.tls_ca is not None and self.tls_cert is None:
            raise ConfigError("--tls-ca FILE goes with --tls-cert and --tls-key")
