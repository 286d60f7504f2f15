"""Maps inside of networks that a student learns from its teacher, and the layers that compare them.

The maps are taken as the networks run, so that any network can be a student or a teacher. The
layers are for training alone: they never reach a checkpoint of weights.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from bmis.models import SegmentationModel

SCALES = (8, 16)  # the image's sides are divided by


class Place(NamedTuple):
    """Where a map of a network comes from: the name of the module, and the map's channels.

    Example:
        >>> Place("steps.3", channels=48).module
        'steps.3'
    """

    module: str
    channels: int


def find_maps(model: SegmentationModel, size: tuple[int, int]) -> dict[int, Place]:
    """Find the last map that a network computes at each of ``SCALES``.

    Maps with no more channels than classes are left out: they are logits.

    Args:
        model: Its weights and its mode stay as they are.
        size: Height and width of the images.

    Returns:
        A place for each scale that the network has.

    Example:
        >>> from bmis import build_model
        >>> find_maps(build_model("unet", widths=[4, 8, 16, 32]), (64, 64))
        {8: Place(module='encoders.3', channels=32)}
    """
    sides = {(size[0] // scale, size[1] // scale): scale for scale in SCALES}
    names = [name for name, _ in model.named_modules() if name]
    places: dict[int, Place] = {}
    training = model.training
    with torch.no_grad(), tapped(model, names) as maps:
        probe = next(model.parameters()).new_zeros(1, model.in_channels, *size)
        model.eval()(probe)
    model.train(training)
    for name, value in maps.items():  # in the order in which they were computed
        scale = sides.get((value.shape[2], value.shape[3])) if value.ndim == 4 else None
        if scale and value.shape[1] > model.num_classes:
            places[scale] = Place(name, value.shape[1])
    return dict(sorted(places.items()))


@contextmanager
def tapped(model: nn.Module, names: list[str]) -> Iterator[dict[str, Tensor]]:
    """Keep what some modules return while the block runs, in the order in which they do.

    Args:
        model: The network.
        names: Names of its modules; what is no single tensor is not kept.

    Example:
        >>> model = nn.Sequential(nn.ReLU())
        >>> with tapped(model, ["0"]) as maps:
        ...     _ = model(torch.tensor([-1.0, 2.0]))
        >>> maps["0"]
        tensor([0., 2.])
    """
    maps: dict[str, Tensor] = {}

    def keep(name: str, value: object) -> None:
        if isinstance(value, Tensor):
            maps.pop(name, None)  # a module that runs twice goes to the end
            maps[name] = value

    hooks = [
        model.get_submodule(name).register_forward_hook(
            lambda module, inputs, value, name=name: keep(name, value)
        )
        for name in names
    ]
    try:
        yield maps
    finally:
        for hook in hooks:
            hook.remove()


class FeatureView(nn.Module):
    """A network whose forward pass gives its training logits, and then its projected maps.

    Args:
        view: Gives the training logits.
        model: The network within ``view``.
        ours: Places of its maps by scale.
        theirs: Places of the teacher's maps, to whose channels each is projected by a convolution
            of 1x1.

    Example:
        >>> from bmis import build_model
        >>> from bmis.models import TrainingView
        >>> model = build_model("unet", widths=[4, 8, 16, 32])
        >>> view = FeatureView(
        ...     TrainingView(model), model, find_maps(model, (64, 64)), {8: Place("any", 5)}
        ... )
        >>> [tuple(value.shape) for value in view(torch.zeros(2, 3, 64, 64))]
        [(2, 2, 64, 64), (2, 5, 8, 8)]
    """

    def __init__(
        self,
        view: nn.Module,
        model: SegmentationModel,
        ours: Mapping[int, Place],
        theirs: Mapping[int, Place],
    ) -> None:
        super().__init__()
        scales = shared_scales(ours, theirs)
        self.view = view
        self._tapped = (model,)  # in a tuple, which keeps it from being registered twice
        self._names = [ours[scale].module for scale in scales]
        self.projections = nn.ModuleList(
            nn.Conv2d(ours[scale].channels, theirs[scale].channels, 1) for scale in scales
        )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        with tapped(self._tapped[0], self._names) as maps:
            logits = self.view(x)
        pairs = zip(self.projections, self._names, strict=True)
        return (*logits, *(projection(maps[name]) for projection, name in pairs))


def shared_scales(ours: Mapping[int, Place], theirs: Mapping[int, Place]) -> list[int]:
    """The scales at which both have maps, finest first.

    Example:
        >>> shared_scales({8: Place("a", 1), 16: Place("b", 2)}, {16: Place("c", 3)})
        [16]
    """
    return sorted(set(ours) & set(theirs))
