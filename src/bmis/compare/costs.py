"""What a network of a comparison costs: parameters, operations, memory and time."""

from typing import Any

from bmis.compare.spec import TrialSpec
from bmis.data.cases import Dataset
from bmis.errors import ConfigError
from bmis.models import build_untrained, size_options
from bmis.profile.network import profile_model
from bmis.train.recipes import find_recipe
from bmis.wording import counted


def measure_costs(spec: TrialSpec, dataset: Dataset, *, seconds: float = 0.5) -> dict[str, Any]:
    """Measure a new network with the channels and classes of a data set, before it is trained.

    Args:
        spec: Network, size, recipe and device.
        dataset: The data set that it is to be trained on.
        seconds: Time that each timing takes at least.

    Returns:
        The ``costs`` of a record; see ``bmis.records.Record``.

    Raises:
        ConfigError: One training step does not fit into memory.

    Example:
        >>> from pathlib import Path
        >>> from bmis import Conditions, open_dataset
        >>> from bmis.records import Trial
        >>> trial, conditions = Trial("polyps", "unet"), Conditions(size=(32, 32))
        >>> options = {"widths": [4, 8]}
        >>> spec = TrialSpec(trial, conditions, "polyps", "unet", options, Path("work"))
        >>> costs = measure_costs(spec, open_dataset("polyps"), seconds=0.0)
        >>> costs["parameters"], costs["batch"]
        (1954, 8)
    """
    size = spec.conditions.size
    model = build_untrained(
        spec.model,
        in_channels=dataset.channels,
        num_classes=dataset.num_classes,
        **size_options(spec.model, spec.options, size),
    )
    batch = find_recipe(spec.conditions.recipe).batch_size
    profile = profile_model(
        model, size=size, batches=(1, batch), device=spec.device, seconds=seconds
    )
    one, many = profile.batches
    if many.training_mb is None:
        raise ConfigError(
            "not enough memory to train with "
            f"{counted(batch, 'image')} of {size[0]}x{size[1]} pixels; "
            "use a smaller --size or a machine with more memory"
        )
    return {
        **{key: getattr(profile, key) for key in ("parameters", "macs", "weights_mb")},
        "training_mb": many.training_mb,
        "inference_mb": one.inference_mb,
        "latency_p50_ms": one.latency_p50_ms,
        "latency_p95_ms": one.latency_p95_ms,
        "images_per_second": many.images_per_second,
        "step_ms": many.step_ms,
        "batch": batch,
        **{key: getattr(profile, key) for key in ("device", "device_name", "threads", "precision")},
        "alone": spec.alone,
    }
