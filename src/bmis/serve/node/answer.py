"""From the objects of a series to its results, by the rule that it matches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bmis.clinical.run import write_study
from bmis.clinical.study import find_stacks
from bmis.config import RuntimeOptions
from bmis.data.formats.dicom import NoPictureError, read_dicom
from bmis.errors import BmisError, DataError, is_out_of_memory
from bmis.serve.networks import Network, load_networks
from bmis.serve.node.identity import read_identity
from bmis.serve.node.rules import Rule, Rules


@dataclass(frozen=True)
class Answered:
    """What became of a series.

    Attributes:
        network: What answered it; None where no rule matches, or nothing in it is a picture.
        results: DICOM files by their UIDs.
        send_to: Names of destinations.
        failed: Files that have no result, each with one line that says why.

    Example:
        >>> Answered().results
        {}
    """

    network: str | None = None
    results: dict[str, Path] = field(default_factory=dict)
    send_to: Sequence[str] = ()
    failed: Mapping[Path, str] = field(default_factory=dict)


class Answerer:
    """The networks that the rules name, loaded.

    Args:
        rules: The rules.
        options: How the networks are run.

    Attributes:
        names: What the rules call the networks.

    Raises:
        BundleError: See ``load_networks``.

    Example:
        >>> from bmis.serve.node.rules import Destination
        >>> pacs = Destination("pacs", aet="PACS", host="127.0.0.1", port=4242)
        >>> rules = Rules((pacs,), (Rule("breast-ultrasound", ("pacs",), modality="US"),))
        >>> found = Answerer(rules, RuntimeOptions()).answer([Path("clip.dcm")], Path("out"))
        >>> found.network, found.send_to, len(found.results), found.failed
        ('breast-ultrasound', ('pacs',), 1, {})
    """

    def __init__(self, rules: Rules, options: RuntimeOptions) -> None:
        self._rules = rules
        self.names = list(dict.fromkeys(rule.network for rule in rules.rules))
        loaded = load_networks(self.names, options)
        self._networks: dict[str, Network] = dict(zip(self.names, loaded, strict=True))

    def answer(self, paths: Sequence[Path], out: Path) -> Answered:
        """Make what the rule of a series asks for. No error of it gets out.

        Args:
            paths: The objects of the series.
            out: An empty folder.
        """
        try:
            rule = self._rules.find(read_identity(paths[0]))
            return Answered() if rule is None else self._by_rule(rule, paths, out)
        except BmisError as error:
            return Answered(failed=dict.fromkeys(paths, str(error)))
        except Exception as error:
            memory = "not enough memory for this series; use a larger machine"
            why = memory if is_out_of_memory(error) else f"a fault of bmis ({type(error).__name__})"
            return Answered(failed=dict.fromkeys(paths, why))

    def _by_rule(self, rule: Rule, paths: Sequence[Path], out: Path) -> Answered:
        options, network = rule.clinical, self._networks[rule.network]
        study = find_stacks(_pictures(paths), window=options.shown)
        if not study.stacks and not study.failed:
            return Answered()
        predictor = network.predictor(probabilities=options.seg_type == "fractional")
        done = write_study(predictor, study, out, model=network.name, options=options)
        results = {read_identity(path).uid: path for path in done.written}
        failed = dict(done.failed)
        if failed and not results:
            failed = {path: failed.get(path, done.failed[0][1]) for path in paths}
        return Answered(network.name, results, rule.send_to, failed)


def _pictures(paths: Sequence[Path]) -> list[Path]:
    """The same files without reports, segmentations and the like, which need no answer."""
    return [path for path in paths if not _is_no_picture(path)]


def _is_no_picture(path: Path) -> bool:
    try:
        read_dicom(path)
    except NoPictureError:
        return True
    except DataError:
        return False  # a picture that is damaged, which is said later
    return False
