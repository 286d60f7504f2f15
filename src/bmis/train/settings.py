"""The settings of a training as they are recorded: complete, and valid from any folder."""

from dataclasses import replace
from pathlib import Path

from bmis.config import TrainConfig
from bmis.errors import ConfigError
from bmis.models import build_model, size_options
from bmis.train.recipes import is_recipe_file
from bmis.train.sources import canonical_source


def resolve_config(config: TrainConfig) -> TrainConfig:
    """Check the network of a training and make its settings complete.

    Paths become absolute, for those who read ``config.yaml`` later from elsewhere. A network that
    is built for one size gets the size of the training.

    Raises:
        ConfigError: The network does not exist, or does not take its options or the size.

    Example:
        >>> resolve_config(TrainConfig("polyps", size=(64, 60)))
        Traceback (most recent call last):
        bmis.errors.ConfigError: bmis does not take 64x60 pixels; the next size ... --size 64,64
        >>> Path(resolve_config(TrainConfig("polyps")).data).is_absolute()
        True
    """
    config = replace(config, options=size_options(config.model, config.options, config.size))
    _check_size(config)
    fold = config.fold
    if isinstance(fold, str):
        fold = int(fold) if fold.isdecimal() else str(Path(fold).resolve())
    init, teacher = (
        source and canonical_source(source) for source in (config.init, config.teacher)
    )
    data, recipe = str(Path(config.data).resolve()), config.recipe
    unlabelled = config.unlabelled and str(Path(config.unlabelled).resolve())
    if is_recipe_file(recipe):
        recipe = str(Path(recipe).resolve())
    plugins = tuple(str(Path(file).resolve()) for file in config.plugins)
    return replace(
        config,
        data=data,
        recipe=recipe,
        fold=fold,
        init=init,
        teacher=teacher,
        unlabelled=unlabelled,
        plugins=plugins,
    )


def _check_size(config: TrainConfig) -> None:
    """Build the network once, before any image is read, to refuse what does not fit."""
    model = build_model(config.model, **config.options)
    height, width = model.valid_size(*config.size)
    if (height, width) != config.size:
        raise ConfigError(
            f"{config.model} does not take {config.size[0]}x{config.size[1]} pixels; "
            f"the next size that it takes is --size {height},{width}"
        )


def split_seed(config: TrainConfig) -> int:
    """The seed of a split that has to be made: ``split_seed``, or ``seed`` where it is None.

    Example:
        >>> split_seed(TrainConfig("polyps", seed=3))
        3
    """
    return config.seed if config.split_seed is None else config.split_seed
