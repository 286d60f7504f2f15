"""What is told of the networks that can be chosen."""

import msgspec

from bmis.config import ModelInfo


class Model(msgspec.Struct):
    """What is known of a network.

    ``size`` is (height, width) that it sees. ``expected_dice`` and ``out_of_distribution`` say
    whether its answers hold them.

    Example:
        >>> from bmis.config import InputSpec, ModelConfig
        >>> info = ModelInfo(ModelConfig(), InputSpec(), ("background", "polyp"))
        >>> describe_model("colon", info).classes
        ['background', 'polyp']
    """

    name: str
    classes: list[str]
    channels: int
    size: tuple[int, int]
    resize: str
    expected_dice: bool
    out_of_distribution: bool
    licence: str | None


class Models(msgspec.Struct):
    """The networks of the service.

    Example:
        >>> Models([]).models
        []
    """

    models: list[Model]


def describe_model(name: str, info: ModelInfo) -> Model:
    """What is told of a network.

    Args:
        name: What it is called.
        info: What its file says of it.

    Example:
        >>> from bmis.serve.networks import load_networks
        >>> (network,) = load_networks(["nuclei"])
        >>> describe_model(network.name, network.info).out_of_distribution
        True
    """
    licence = info.provenance.get("licence")
    return Model(
        name=name,
        classes=list(info.classes),
        channels=info.input.channels,
        size=info.input.size,
        resize=info.input.resize,
        expected_dice=info.confidence is not None,
        out_of_distribution=info.ood is not None,
        licence=None if licence is None else str(licence),
    )
