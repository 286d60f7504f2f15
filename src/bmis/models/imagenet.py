"""ImageNet weights of trunks: those that come with the package, and how kernels take channels.

``weights/efficientnet_lite0.safetensors`` holds the stem and the first five stages of
EfficientNet-Lite0 in half precision. ``benchmarks/imagenet_weights.py`` makes the file and tests
it; ``weights/NOTICE`` says where the numbers come from.
"""

import copy
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from bmis.errors import BundleError, ConfigError
from bmis.models.layers.efficientnet_lite import EfficientNetLite

_FOLDER = Path(__file__).with_name("weights")
_INCLUDED = ("lite0", 5)  # trunk and number of stages


def load_trunk(network: EfficientNetLite, trunk: str, weights: str) -> None:
    """Give a trunk the weights of ImageNet, or leave it as it is.

    Args:
        network: The trunk, whose kernels may take any number of channels.
        trunk: Which EfficientNet-Lite it is, such as "lite0".
        weights: "imagenet", "none", or a ``.safetensors`` file of
            ``benchmarks/imagenet_weights.py``.

    Raises:
        ConfigError: The package holds no weights for this trunk, or there is no such file.
        BundleError: The file is damaged or of another trunk.

    Example:
        >>> network = EfficientNetLite(1, "lite0", stages=4)
        >>> load_trunk(network, "lite0", "imagenet")
        >>> round(float(network.stem[1].running_var.mean()), 1) != 1.0
        True
    """
    if weights == "none":
        return
    if weights == "imagenet":
        path = _included(trunk, len(network.stages))
    else:
        path = Path(weights)
        if not path.is_file():
            raise ConfigError(
                f"weights must be imagenet, none or a .safetensors file, got {weights!r}"
            )
    try:
        state = load_file(path)
    except (SafetensorError, OSError) as error:
        raise BundleError(f"{path}: cannot be read ({error}); copy it again") from error
    _load(network, state, path)


def _included(trunk: str, stages: int) -> Path:
    if trunk != _INCLUDED[0] or stages > _INCLUDED[1]:
        raise ConfigError(
            f"the package has ImageNet weights of the first {_INCLUDED[1]} stages of "
            f"{_INCLUDED[0]}, not of {stages} stages of {trunk}; use weights=none, or a file of "
            "benchmarks/imagenet_weights.py"
        )
    return _FOLDER / f"efficientnet_{trunk}.safetensors"


def _load(network: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Copy the tensors that the network has; the file may hold more stages than the network."""
    wanted = network.state_dict()
    found = {name: state[name].float() for name in wanted if name in state}
    first = next(iter(wanted))
    if first in found:
        found[first] = adapt_channels(found[first], wanted[first].shape[1])
    for name, tensor in wanted.items():
        if name.endswith("num_batches_tracked"):  # a counter, which no file holds
            found[name] = tensor
        elif name not in found or found[name].shape != tensor.shape:
            raise BundleError(
                f"{path}: has no tensor {name!r} of shape {tuple(tensor.shape)}; give the file of "
                "this trunk"
            )
    if not next(network.parameters()).is_meta:  # shapes without values, which were compared
        network.load_state_dict(found)


def adapt_channels(kernel: Tensor, channels: int) -> Tensor:
    """Make a first kernel for colour images one for another number of channels.

    Its sum over the channels stays, so that a grey image gives what it would give in colour.

    Args:
        kernel: (O, 3, h, w).
        channels: Channels of the image.

    Returns:
        (O, channels, h, w); the same kernel for three channels.

    Example:
        >>> import torch
        >>> adapt_channels(torch.ones(8, 3, 3, 3), 1).unique()
        tensor([3.])
    """
    if kernel.shape[1] == channels:
        return kernel
    return kernel.sum(1, keepdim=True).expand(-1, channels, -1, -1) / channels


def take_channels(network: nn.Module, channels: int, *, trained: bool) -> None:
    """Replace the first convolution, which takes colour images, by one for other channels.

    Args:
        network: A network of a library, or its trunk; changed in place.
        channels: Channels of the image.
        trained: Whether its kernels are kept (``adapt_channels``); else they start at random.

    Example:
        >>> import torch
        >>> network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())
        >>> take_channels(network, 1, trained=True)
        >>> network(torch.zeros(1, 1, 8, 8)).shape
        torch.Size([1, 8, 6, 6])
    """
    name, old = next((n, m) for n, m in network.named_modules() if isinstance(m, nn.Conv2d))
    if old.in_channels == channels:
        return
    new = copy.copy(old)  # a library's own class stays
    new.in_channels = channels
    kernel = adapt_channels(old.weight.detach(), channels).clone()
    if not trained:
        nn.init.kaiming_normal_(kernel, mode="fan_out", nonlinearity="relu")
    new._parameters = {**old._parameters, "weight": nn.Parameter(kernel)}
    parent, _, leaf = name.rpartition(".")
    setattr(network.get_submodule(parent), leaf, new)
