"""Starting a training from the weights of an earlier one, with other classes and channels too.

Every tensor that has the same shape in both networks is copied, norm statistics included. Among
the others, those that see the image are adapted to its channels, and those that see the classes
keep their random start.
"""

import json
import logging
import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bmis.config import TrainConfig
from bmis.errors import ConfigError
from bmis.models import SegmentationModel
from bmis.models.checkpoint import read_checkpoint
from bmis.models.layers.factorised import ParallelDownsampling
from bmis.train.sources import find_source
from bmis.wording import counted

_log = logging.getLogger("bmis")
_LISTED = 8  # names of tensors in the log


@dataclass(frozen=True, eq=False)
class WarmStart:
    """Trained weights to start from.

    Attributes:
        source: Where they come from; see ``canonical_source``.
        model: The trained network, on the CPU.
        provenance: What the checkpoint says of it: ``source`` and ``data``, its data set.
        classes: Names of its classes; () where it has none.

    Example:
        >>> from bmis import load_model
        >>> model, info = read_checkpoint("run")
        >>> start = WarmStart("run", model, {"source": "run"})
        >>> start.apply(read_checkpoint("run")[0])
    """

    source: str
    model: SegmentationModel
    provenance: dict[str, Any]
    classes: tuple[str, ...] = ()

    def check_classes(self, classes: Sequence[str]) -> None:
        """Refuse classes in another order: their logits would start as those of one another.

        Raises:
            ConfigError: The names are the same, and their order is not.
        """
        if sorted(classes) == sorted(self.classes) and tuple(classes) != self.classes:
            raise ConfigError(
                f"--init {self.source}: its classes are {', '.join(self.classes)}, those of the "
                f"data {', '.join(classes)}; number them in the same order, or leave --init out"
            )

    def apply(self, model: SegmentationModel) -> None:
        """Copy the weights into a network of the same name and options, in place.

        Raises:
            ConfigError: Not one of them fits.
        """
        new = transfer_weights(self.model, model)
        if {name for name, _ in model.named_parameters()} <= set(new):
            raise ConfigError(
                f"{self.source}: none of its weights fits a network of "
                f"{counted(model.in_channels, 'channel')} and "
                f"{counted(model.num_classes, 'class')}; leave --init out"
            )
        more = f" and {len(new) - _LISTED} more" if len(new) > _LISTED else ""
        _log.info(
            "starting from %s; random start: %s",
            self.source,
            ", ".join(new[:_LISTED]) + more or "none",
        )


def read_warm_start(config: TrainConfig) -> WarmStart | None:
    """The weights that ``config.init`` names; None if it names none.

    Raises:
        BundleError: The file is missing, damaged or not of bmis; see ``read_checkpoint``.
        ConfigError: It is a bundle, or holds the weights of another network.

    Example:
        >>> options = {"widths": [4, 8, 12], "depths": [1, 1], "dilations": [2]}
        >>> read_warm_start(TrainConfig("polyps", options=options, init="run")).source
        'run'
    """
    if config.init is None:
        return None
    model, info = read_checkpoint(find_source(config.init))
    theirs = command_line(info.model.name, info.to_dict()["model"]["options"])
    ours = command_line(config.model, config.to_dict()["options"])
    if theirs != ours:
        raise ConfigError(
            f"{config.init}: holds weights of `{theirs}`, this training is of `{ours}`; "
            f"give {theirs}, or leave --init out"
        )
    provenance = {"source": Path(config.init).name, "data": info.provenance.get("data")}
    return WarmStart(config.init, model, provenance, info.classes)


def command_line(name: str, options: Mapping[str, Any]) -> str:
    """A network as the command line of ``bmis train`` names it.

    Example:
        >>> command_line("bmis", {"eca": False, "widths": [4, 8]})
        "--model bmis -o eca=false -o 'widths=[4,8]'"
    """
    words = ["--model", name]
    for key, value in sorted(options.items()):
        text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
        # the size of the images is an option only of networks that are built for one
        words += ["--size", text.strip("[]")] if key == "size" else ["-o", f"{key}={text}"]
    return shlex.join(words)


@torch.no_grad()
def transfer_weights(source: SegmentationModel, model: SegmentationModel) -> list[str]:
    """Copy what fits of one network into another of the same name and options, in place.

    With the same channels and classes both networks give the same logits afterwards. With 1
    channel in place of 3, a grey image gives the logits that it gave as three equal channels, and
    with 3 in place of 1 the reverse, if both normalise alike. Networks that carry the image itself
    on beside their first filters are the exception: with ``ParallelDownsampling`` the logits are
    only near, and in all others the layers that see the image start at random.

    Args:
        source: A trained network of 1 or 3 channels.
        model: A new network of 1 or 3 channels.

    Returns:
        Names of the tensors that were left as they were.

    Example:
        >>> from bmis import build_model
        >>> source = build_model("unet", widths=[4, 8])
        >>> transfer_weights(source, build_model("unet", widths=[4, 8], num_classes=3))
        ['head.weight', 'head.bias']
    """
    trained, new = source.state_dict(), []
    for name, tensor in model.state_dict().items():
        fitted = _fit_channels(trained[name], tensor.shape, source.in_channels, model.in_channels)
        if fitted is None:
            new.append(name)
        else:
            tensor.copy_(fitted)
    for name, module in model.named_modules():
        if isinstance(module, ParallelDownsampling) and f"{name}.conv.weight" in new:
            _transfer_stem(source.get_submodule(name), module)  # type: ignore[arg-type]
            new = [one for one in new if not one.startswith(f"{name}.")]
    return new


def _fit_channels(tensor: Tensor, shape: torch.Size, old: int, channels: int) -> Tensor | None:
    """A trained tensor in another shape: (out, old, ...) -> (out, channels, ...), or None."""
    if tensor.shape == shape:
        return tensor
    if tensor.ndim < 2 or tensor.shape[1] != old:
        return None
    if shape != (tensor.shape[0], channels, *tensor.shape[2:]):
        return None
    return _spread(tensor, channels)


def _spread(kernel: Tensor, channels: int) -> Tensor:
    """The sum of a kernel (out, in, ...) over its channels, spread evenly over the new ones."""
    return kernel.sum(1, keepdim=True).repeat_interleave(channels, 1) / channels


def _transfer_stem(source: ParallelDownsampling, stem: ParallelDownsampling) -> None:
    """Transfer the first layer of BMIS: filters, then the maxima of the image's own channels.

    The number of output channels stays, so two of them change their kind. From 3 channels to 1,
    the maxima of two colours become the mean of the same 2x2 pixels, which a filter can compute.
    From 1 channel to 3, the last two filters make room for two colours. These begin as the
    constant that the filters gave on average, and training lets the colours in.
    """
    stem.norm.load_state_dict(source.norm.state_dict())
    trained: dict[str, Tensor] = source.conv.state_dict()
    conv: dict[str, Tensor] = stem.conv.state_dict()
    norm: dict[str, Tensor] = stem.norm.state_dict()
    before, now = len(trained["bias"]), len(conv["bias"])
    kept, channels = min(before, now), stem.conv.in_channels
    conv["weight"][:kept] = _spread(trained["weight"][:kept], channels)
    conv["bias"][:kept] = trained["bias"][:kept]
    conv["weight"][kept:], conv["bias"][kept:] = 0.0, 0.0
    conv["weight"][kept:, :, 1:, 1:] = 1 / (4 * channels)
    lost = slice(kept, before)
    norm["bias"][lost] = _mean_of_relu(norm["bias"][lost], norm["weight"][lost].abs())
    norm["weight"][lost] = 0.0
    for statistic in ("running_mean", "running_var"):  # a colour starts with those of grey
        norm[statistic][lost] = norm[statistic][-1]


def _mean_of_relu(mean: Tensor, deviation: Tensor) -> Tensor:
    """Expectation of max(0, x) for normally distributed x."""
    z = mean / deviation.clamp_min(1e-12)
    density = (-0.5 * z.square()).exp() / math.sqrt(2 * math.pi)
    normal: Tensor = torch.special.ndtr(z)
    return mean * normal + deviation * density
