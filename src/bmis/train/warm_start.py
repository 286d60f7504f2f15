"""Starts a training from the weights of an earlier one, with other classes and channels too.

Every tensor that has the same shape in both networks is taken over, norm statistics included. Of
the others those that see the image are adapted to its channels, and those that see the classes
keep their random start.
"""

import json
import logging
import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bmis.config import TrainConfig
from bmis.errors import ConfigError
from bmis.models import SegmentationModel
from bmis.models.checkpoint import load_model
from bmis.models.layers.factorised import ParallelDownsampling
from bmis.train.sources import find_source

_log = logging.getLogger("bmis")
_NAMED = 8  # new tensors named in the log


@dataclass(frozen=True, eq=False)
class WarmStart:
    """Trained weights to start from.

    Attributes:
        source: What was asked for, as ``canonical_source`` says it.
        model: The trained network, on the CPU.
        provenance: For the checkpoint: the source's name and the data set that it was trained on.
    """

    source: str
    model: SegmentationModel
    provenance: dict[str, Any]

    def apply(self, model: SegmentationModel) -> None:
        """Take the weights over into a network of the same name and options, in place.

        Raises:
            ConfigError: Not one of them fits.
        """
        new = transfer_weights(self.model, model)
        if {name for name, _ in model.named_parameters()} <= set(new):
            raise ConfigError(
                f"{self.source}: none of its weights fits a network of {model.in_channels} "
                f"channels and {model.num_classes} classes; leave --init out"
            )
        more = f" and {len(new) - _NAMED} more" if len(new) > _NAMED else ""
        _log.info(
            "starting from %s; random start: %s",
            self.source,
            ", ".join(new[:_NAMED]) + more or "none",
        )


def read_start(config: TrainConfig) -> WarmStart | None:
    """The weights that ``config.init`` names; None if it names none.

    Raises:
        BundleError: No such file, or one that is damaged or foreign; see ``load_model``.
        ConfigError: A bundle, or the weights of another network.
    """
    if config.init is None:
        return None
    model, info = load_model(find_source(config.init))
    theirs = _arguments(info.model.name, info.to_dict()["model"]["options"])
    ours = _arguments(config.model, config.to_dict()["options"])
    if theirs != ours:
        raise ConfigError(
            f"{config.init}: holds weights of `{theirs}`, this training is of `{ours}`; "
            f"give {theirs}, or leave --init out"
        )
    told = {"source": Path(config.init).name, "data": info.provenance.get("data")}
    return WarmStart(config.init, model, told)


def _arguments(name: str, options: Mapping[str, Any]) -> str:
    """A network as the command line names it."""
    words = ["--model", name]
    for key, value in sorted(options.items()):
        text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
        # the size of the images is an option only of networks that are built for one
        words += ["--size", text.strip("[]")] if key == "size" else ["-o", f"{key}={text}"]
    return shlex.join(words)


@torch.no_grad()
def transfer_weights(source: SegmentationModel, model: SegmentationModel) -> list[str]:
    """Copy what fits of one network into another of the same name and options, in place.

    With the same channels and classes the answers are the same afterwards. With 1 channel in place
    of 3 a grey image gets the answer that it got as three equal channels, and with 3 in place of 1
    the reverse, if both normalise alike; but for networks that carry the image itself on beside
    their first filters, whose answers are only near (``ParallelDownsampling``), or whose layers
    that see it start at random (all others).

    Args:
        source: Trained, with 1 or 3 channels.
        model: Fresh, with 1 or 3 channels.

    Returns:
        Names of the tensors that were left as they were.
    """
    theirs, new = source.state_dict(), []
    for name, tensor in model.state_dict().items():
        given = _fitted(theirs[name], tensor.shape, source.in_channels, model.in_channels)
        if given is None:
            new.append(name)
        else:
            tensor.copy_(given)
    for name, module in model.named_modules():
        if isinstance(module, ParallelDownsampling) and f"{name}.conv.weight" in new:
            _transfer_stem(source.get_submodule(name), module)  # type: ignore[arg-type]
            new = [one for one in new if not one.startswith(f"{name}.")]
    return new


def _fitted(tensor: Tensor, shape: torch.Size, old: int, channels: int) -> Tensor | None:
    """A trained tensor in another shape: (out, old, ...) -> (out, channels, ...), else None."""
    if tensor.shape == shape:
        return tensor
    if tensor.ndim < 2 or tensor.shape[1] != old:
        return None
    if shape != (tensor.shape[0], channels, *tensor.shape[2:]):
        return None
    return _shared(tensor, channels)


def _shared(kernel: Tensor, channels: int) -> Tensor:
    """What a kernel (out, in, ...) weighs in all its channels, in equal parts for each new one."""
    return kernel.sum(1, keepdim=True).repeat_interleave(channels, 1) / channels


def _transfer_stem(source: ParallelDownsampling, stem: ParallelDownsampling) -> None:
    """The first layer of BMIS: filters, and behind them the maxima of the image's own channels.

    The output has as many channels as before, so that two of them change their kind. From 3 to 1
    the maxima of two colours become the mean of the same 2x2 pixels, which a filter can compute.
    From 1 to 3 the last two filters make room for two colours, which begin as the constant that
    these filters gave on average; what is trained then lets the colours in.
    """
    stem.norm.load_state_dict(source.norm.state_dict())
    given: dict[str, Tensor] = source.conv.state_dict()
    conv: dict[str, Tensor] = stem.conv.state_dict()
    norm: dict[str, Tensor] = stem.norm.state_dict()
    before, now = len(given["bias"]), len(conv["bias"])
    kept, channels = min(before, now), stem.conv.in_channels
    conv["weight"][:kept] = _shared(given["weight"][:kept], channels)
    conv["bias"][:kept] = given["bias"][:kept]
    conv["weight"][kept:], conv["bias"][kept:] = 0.0, 0.0
    conv["weight"][kept:, :, 1:, 1:] = 1 / (4 * channels)
    lost = slice(kept, before)
    norm["bias"][lost] = _mean_of_relu(norm["bias"][lost], norm["weight"][lost].abs())
    norm["weight"][lost] = 0.0
    for statistic in ("running_mean", "running_var"):  # of one colour, from those of grey
        norm[statistic][lost] = norm[statistic][-1]


def _mean_of_relu(mean: Tensor, deviation: Tensor) -> Tensor:
    """Expectation of max(0, x) for normally distributed x."""
    z = mean / deviation.clamp_min(1e-12)
    density = (-0.5 * z.square()).exp() / math.sqrt(2 * math.pi)
    normal: Tensor = torch.special.ndtr(z)
    return mean * normal + deviation * density
