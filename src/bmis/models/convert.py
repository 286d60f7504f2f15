"""The command ``convert``: weights that authors published become our file; no pickle runs."""

import hashlib
import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from bmis.config import InputSpec, ModelConfig, ModelInfo
from bmis.errors import BundleError, ConfigError, enough_memory_for
from bmis.models import load_published
from bmis.models.checkpoint import save_model
from bmis.system.files import output_folder

_WRAPPED = "state_dict"  # where a checkpoint keeps its tensors beside other things
# What torch's readers raise for a file that is damaged or of another kind.
_DAMAGE = (RuntimeError, OSError, ValueError, LookupError, TypeError, AttributeError, EOFError)


def convert_checkpoint(
    source: Path | str,
    *,
    model: str = "bmis",
    out: Path | str,
    size: tuple[int, int] = (224, 224),
) -> Path:
    """Turn the authors' checkpoint of a network into a file that every other command takes.

    The pickle inside is read by torch's restricted reader, which builds tensors and plain
    containers and calls nothing else.

    Args:
        source: What ``torch.save`` wrote, of any age since 0.4, or a ``.safetensors`` file: the
            tensors themselves, or a dictionary that holds them as "state_dict".
        model: A network whose authors published weights: "bmis" or "dsu_net".
        out: File to write, ending in ``.safetensors``.
        size: Height and width in pixels that images are resized to; the authors used 224 x 224.

    Returns:
        ``out``.

    Raises:
        BundleError: The file is no checkpoint, holds more than tensors, or is of another network.
        ConfigError: There is no such network, or ``out`` does not end in ``.safetensors``.
        DataError: ``out`` cannot be written.

    Example:
        >>> from bmis.models import build_model
        >>> from bmis.models.published import published_name
        >>> tensors = {  # as the authors publish them
        ...     published_name("bmis", name): tensor.squeeze(2) if ".eca." in name else tensor
        ...     for name, tensor in build_model("bmis").state_dict().items()
        ... }
        >>> torch.save({"state_dict": tensors}, "BMIS.pth.tar")
        >>> convert_checkpoint("BMIS.pth.tar", out="model.safetensors").name
        'model.safetensors'
    """
    source, out = Path(source), Path(out)
    if out.suffix != ".safetensors":
        raise ConfigError(
            f"{out}: the file to write must end in .safetensors; name it "
            f"{out.with_suffix('.safetensors').name}"
        )
    try:
        network = load_published(model, _tensors(source))
    except BundleError as error:
        raise BundleError(f"{source}: {str(error).removeprefix(f'{source}: ')}") from error
    channels, classes = network.in_channels, network.num_classes
    info = ModelInfo(
        model=ModelConfig(model, channels, classes),
        input=InputSpec(size=size, channels=channels),
        classes=_class_names(classes),
        provenance={"converted_from": source.name, "sha256": _digest(source)},
    )
    output_folder(out.parent)
    save_model(out, network, info)
    return out


def _tensors(source: Path) -> dict[str, Tensor]:
    """Names and tensors of a checkpoint."""
    if not source.is_file():
        raise BundleError(f"{source}: no such file; name the authors' checkpoint")
    content = _read(source)
    if isinstance(content, Mapping) and isinstance(content.get(_WRAPPED), Mapping):
        content = content[_WRAPPED]
    if not isinstance(content, Mapping) or not content:
        raise BundleError(
            f"{source}: holds a {type(content).__name__}, not named tensors; save the model's "
            "state_dict() instead of the model"
        )
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise BundleError(
                f"{source}: {name!r} is not a named tensor ({type(value).__name__}); "
                "keep only the model's state_dict()"
            )
    return dict(content)


def _read(source: Path) -> Any:
    if source.suffix == ".safetensors":
        try:
            with enough_memory_for(source):
                return load_file(source)
        except (SafetensorError, OSError, ValueError) as error:
            raise BundleError(
                f"{source}: not a whole safetensors file ({error}); download it again"
            ) from error
    try:
        with (
            enough_memory_for(source),
            warnings.catch_warnings(),
        ):  # torch warns about the age of a file
            warnings.simplefilter("ignore")
            return torch.load(source, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise BundleError(_refused(source, str(error))) from error
    except _DAMAGE as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise BundleError(
            f"{source}: not a whole checkpoint of torch ({reason}); download it again"
        ) from error


def _refused(source: Path, reason: str) -> str:
    """Explain in one line why the restricted reader stopped."""
    name = re.search(r"GLOBAL ([\w.]+)|Unsupported (?:class|global) ([\w.]+)", reason)
    if name is None:
        return f"{source}: not a checkpoint that is safe to read; download it again"
    if "blocked" in reason:
        return (
            f"{source}: would run {name[1] or name[2]}, which no checkpoint needs; "
            "nothing was run, delete the file"
        )
    return (
        f"{source}: holds a Python object besides tensors ({name[1] or name[2]}), which bmis does "
        "not run; ask for the weights alone or, if you trust where the file is from, save them so: "
        f"torch.save(torch.load(FILE, weights_only=False)[{_WRAPPED!r}], NEW)"
    )


def _class_names(count: int) -> tuple[str, ...]:
    """Name classes, as the authors do not: background, then foreground or numbers."""
    if count == 1:
        return ("foreground",)
    if count == 2:
        return ("background", "foreground")
    return ("background", *(f"class {k}" for k in range(1, count)))


def _digest(source: Path) -> str:
    return hashlib.sha256(source.read_bytes()).hexdigest()
