"""Which network answers which series, and where its results go: a YAML file, checked at once."""

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Meta

from bmis.clinical.settings import DICOM_FORMATS, ClinicalOptions
from bmis.config import Settings
from bmis.errors import ConfigError, did_you_mean, printable
from bmis.serve.node.identity import Identity
from bmis.serve.node.settings import AeTitle
from bmis.system.plain_yaml import read_yaml

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_Name = Annotated[str, Meta(min_length=1, max_length=64)]


@dataclass(frozen=True)
class Destination(Settings):
    """Where results go: an AE title with host and port (C-STORE), or an address (STOW-RS).

    With ``tls`` a C-STORE is encrypted.

    Example:
        >>> Destination("pacs", aet="ORTHANC", host="10.0.0.5", port=4242).url is None
        True
        >>> Destination("pacs")
        Traceback (most recent call last):
        bmis.errors.ConfigError: destination pacs: give aet, host and port, or url alone
    """

    name: _Name
    aet: AeTitle | None = None
    host: str | None = None
    port: Annotated[int, Meta(ge=1, le=65535)] | None = None
    url: Annotated[str, Meta(pattern="^https?://[^/@?#]+")] | None = None
    token_file: str | None = None
    tls: bool = False

    def __post_init__(self) -> None:
        """Check every value, and that there is one way to send."""
        super().__post_init__()
        given = [value is not None for value in (self.aet, self.host, self.port)]
        if any(given) != all(given) or all(given) != (self.url is None):
            raise ConfigError(f"destination {self.name}: give aet, host and port, or url alone")
        if self.tls and self.url:
            raise ConfigError(f"destination {self.name}: tls goes with aet; for url write https")
        if self.token_file and not self.url:
            raise ConfigError(f"destination {self.name}: token_file goes with url")
        parts = urlsplit(self.url or "https://")
        if self.token_file and parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            raise ConfigError(f"destination {self.name}: a token needs https, {self.url} is not")


@dataclass(frozen=True)
class Rule(Settings):
    """One kind of series, and what becomes of it.

    Patterns are compared without regard to case; ``*`` stands for any text, ``?`` for a character.

    Example:
        >>> rule = Rule("breast-ultrasound", send_to=("pacs",), modality="US", body_part="*BREAST*")
        >>> rule.matches(Identity("1.2", "1.3", "US", "Left Breast", ""))
        True
    """

    network: Annotated[str, Meta(min_length=1)]
    send_to: Annotated[tuple[str, ...], Meta(min_length=1)]
    modality: str = "*"
    body_part: str = "*"
    description: str = "*"
    clinical: ClinicalOptions = field(default_factory=lambda: ClinicalOptions(outputs=("seg",)))

    def __post_init__(self) -> None:
        """Check every value, and that there will be something to send."""
        super().__post_init__()
        if not set(self.clinical.outputs) <= set(DICOM_FORMATS):
            raise ConfigError(
                f"outputs of a DICOM node must be some of {', '.join(DICOM_FORMATS)}, got "
                f"{', '.join(self.clinical.outputs)}"
            )

    def matches(self, series: Identity) -> bool:
        """Whether a series is of this kind."""
        pairs = (
            (self.modality, series.modality),
            (self.body_part, series.body_part),
            (self.description, series.description),
        )
        return all(fnmatchcase(value.upper(), pattern.upper()) for pattern, value in pairs)


@dataclass(frozen=True)
class Rules(Settings):
    """The rules of a node in their order; the first that matches a series counts.

    Example:
        >>> pacs = Destination("pacs", aet="ORTHANC", host="10.0.0.5", port=4242)
        >>> rules = Rules((pacs,), (Rule("nuclei", send_to=("pacs",), modality="SM"),))
        >>> rules.find(Identity("1.2", "1.3", "CT", "", "")) is None
        True
        >>> Rules((pacs,), (Rule("nuclei", send_to=("pac",)),))
        Traceback (most recent call last):
        bmis.errors.ConfigError: unknown destination 'pac' (did you mean 'pacs'?); available: pacs
    """

    destinations: Annotated[tuple[Destination, ...], Meta(min_length=1)]
    rules: Annotated[tuple[Rule, ...], Meta(min_length=1)]

    def __post_init__(self) -> None:
        """Check every value, and that all destinations that rules name are there."""
        super().__post_init__()
        known = [destination.name for destination in self.destinations]
        if len(set(known)) < len(known):
            raise ConfigError(f"two destinations have one name: {', '.join(known)}")
        for name in (name for rule in self.rules for name in rule.send_to):
            if name not in known:
                raise ConfigError(f"unknown destination {name!r}{did_you_mean(name, known)}")

    def find(self, series: Identity) -> Rule | None:
        """The first rule that matches a series, if one does."""
        return next((rule for rule in self.rules if rule.matches(series)), None)


def read_rules(path: Path) -> Rules:
    """Read the rules of a node.

    Raises:
        ConfigError: They are wrong; the line says where.
        DataError: The file cannot be read, or is no YAML.

    Example:
        >>> text = "rules: [{network: nuclei, send_to: [pacs], modality: SM}]"
        >>> size = Path("rules.yaml").write_text(text)
        >>> read_rules(Path("rules.yaml"))
        Traceback (most recent call last):
        bmis.errors.ConfigError: rules.yaml: the setting 'destinations' of Rules is missing; add it
    """
    values = read_yaml(path)
    try:
        if not isinstance(values, dict):
            raise ConfigError("give destinations and rules; see docs/how-to/serve-dicom.md")
        return Rules.from_dict(values)
    except ConfigError as error:
        raise ConfigError(f"{path}: {printable(str(error))}") from None
