"""The layers of a network that touch the image and the answer, found by what they compute."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node

from bmis.models import SegmentationModel, TrainingView

LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


def outer_weights(model: SegmentationModel) -> list[Tensor]:
    """The weights of the first layers, which see pixels, and of the last, which see classes.

    A first layer is given nothing but the image, maybe resized. From a last layer the logits, or
    those of an auxiliary head, come without a further layer. There may be several of both: two
    branches that begin at the image, or logits that are a sum. Both are found in the graph that
    torch records of one small image, whatever the order in which the layers were made.

    Args:
        model: It stays as it is.

    Returns:
        Weights of convolutions and linear layers.

    Example:
        >>> from bmis import build_model
        >>> model = build_model("unet", widths=[4, 8])
        >>> names = {id(weight): name for name, weight in model.named_parameters()}
        >>> [names[id(weight)] for weight in outer_weights(model)]
        ['encoders.0.0.0.weight', 'head.weight']
    """
    weights = {id(m.weight): m.weight for m in model.modules() if isinstance(m, LAYERS)}
    if not weights:
        return []
    image, logits = _run(model)
    graph = _Graph(logits, image, set(weights))
    found = graph.first() | graph.last()
    return [weight for key, weight in weights.items() if key in found]


def _run(model: SegmentationModel) -> tuple[Tensor, tuple[Tensor, ...]]:
    """An image of the smallest size and all logits of it, with the graph between them."""
    modes = {module: module.training for module in model.modules()}
    weight = next(model.parameters())
    image = weight.new_zeros(1, model.in_channels, *model.valid_size(1, 1)).requires_grad_()
    try:
        with torch.enable_grad():  # norms over one pixel, and no dropout: in evaluation mode
            return image, TrainingView(model.eval())(image)
    finally:
        for module, mode in modes.items():
            module.training = mode


class _Graph:
    """What torch recorded between an image and the logits."""

    def __init__(self, logits: Iterable[Tensor], image: Tensor, weights: set[int]) -> None:
        """Find for each operation on the image which layers' weights it applies.

        Args:
            logits: Where the graph ends.
            image: Where it begins.
            weights: Identities of the weights of layers.
        """
        self._ends = [node for tensor in logits if (node := tensor.grad_fn)]
        self._nodes = _inputs_first(self._ends)
        self._of_image: set[Node] = set()
        self._applied: dict[Node, set[int]] = {}  # to the image, or by a node without image: held
        for node in self._nodes:
            variable = getattr(node, "variable", None)
            inputs = _inputs(node)
            if variable is image or any(other in self._of_image for other in inputs):
                self._of_image.add(node)
            held = {id(variable)} & weights
            for other in inputs:
                held |= self._applied[other] if other not in self._of_image else set()
            self._applied[node] = held

    def first(self) -> set[int]:
        """Weights that are applied to nothing but the image."""
        plain: set[Node] = set()  # operations that no weight was applied before or in
        found: set[int] = set()
        for node in self._nodes:
            if node not in self._of_image:
                continue
            if all(other in plain for other in _inputs(node) if other in self._of_image):
                found |= self._applied[node]
                if not self._applied[node]:
                    plain.add(node)
        return found

    def last(self) -> set[int]:
        """Weights after which no further one is applied on some way to the logits."""
        open_ends = set(self._ends)
        found: set[int] = set()
        for node in reversed(self._nodes):
            if node not in open_ends or node not in self._of_image:
                continue
            found |= self._applied[node]
            if not self._applied[node]:
                open_ends.update(_inputs(node))
        return found


def _inputs(node: Node) -> list[Node]:
    return [other for other, _ in node.next_functions if other is not None]


def _inputs_first(ends: list[Node]) -> list[Node]:
    """All operations before some, in an order in which each follows its inputs."""
    order: dict[Node, None] = {}
    entered: set[Node] = set()
    todo = list(ends)
    while todo:  # without recursion: graphs are thousands of operations deep
        node = todo[-1]
        if node in entered:
            order[todo.pop()] = None
            continue
        entered.add(node)
        todo += [other for other in _inputs(node) if other not in entered]
    return list(order)
