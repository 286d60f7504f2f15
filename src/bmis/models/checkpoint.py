"""A network and all that is needed to use it, in one safetensors file; never a pickle.

The metadata of the file hold ``bmis_version`` (of this format) and ``bmis_info`` (``ModelInfo`` as
JSON). The tensors are the network's state under its own names.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from bmis.config import MODEL_FILE, ModelInfo
from bmis.errors import BundleError, ConfigError, NoMemoryError, enough_memory_for
from bmis.models import SegmentationModel, build_untrained
from bmis.models.plugins import check_registered
from bmis.models.threads import keep_to_container
from bmis.system.files import atomic
from bmis.wording import counted

FORMAT_VERSION = 1
_PICKLES = (b"PK\x03\x04", b"\x80")  # how torch's two pickle formats begin


def choose_device(name: str = "auto") -> torch.device:
    """Find a device by name; "auto" is the first GPU where there is one, otherwise the CPU.

    Raises:
        ConfigError: There is no such device on this machine.

    Example:
        >>> choose_device("cpu")
        device(type='cpu')
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"no device {name!r} here ({reason}); use auto, cpu, cuda or mps"
        ) from error
    if device.type == "meta":
        raise ConfigError("device 'meta' holds no numbers; use auto, cpu, cuda or mps")
    return device


def save_model(path: Path | str, model: SegmentationModel, info: ModelInfo) -> None:
    """Write weights and ``info`` into one file, whole or not at all.

    Args:
        path: File to write, ending in ``.safetensors``.
        model: The network, on any device and in any memory format. Tensors that share memory are
            written separately.
        info: The description of ``model``, from which it is built when the file is read.

    Raises:
        BundleError: Weights are not finite.
        ConfigError: ``info`` is of another network, or its provenance is not plain values.
        DataError: The file cannot be written.

    Example:
        >>> from bmis.config import InputSpec, ModelConfig
        >>> info = ModelInfo(ModelConfig("bmis_tiny"), InputSpec(), ("background", "polyp"))
        >>> save_model("tiny.safetensors", build_untrained("bmis_tiny"), info)
        >>> read_checkpoint("tiny.safetensors")[1].classes
        ('background', 'polyp')
    """
    path = Path(path)
    shape, declared = (model.in_channels, model.num_classes), info.model
    if shape != (declared.in_channels, declared.num_classes):
        raise ConfigError(
            f"the model has {counted(shape[0], 'channel')} and "
            f"{counted(shape[1], 'class')}, its info declares "
            f"{declared.in_channels} and {declared.num_classes}; save it with its own ModelInfo"
        )
    try:
        text = json.dumps(info.to_dict(), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"ModelInfo must hold plain finite values ({error}); remove others from its provenance"
        ) from error
    state = {  # copies: the format holds neither strides nor shared memory
        name: tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        for name, tensor in model.state_dict().items()
    }
    _check_finite(state, path, "lower the learning rate and train again")
    # "format" is what other readers of safetensors look for
    metadata = {"format": "pt", "bmis_version": str(FORMAT_VERSION), "bmis_info": text}
    with atomic(path) as temporary:  # save_file would make it unreadable for other users
        temporary.write_bytes(_with_sorted_header(save(state, metadata)))


def _with_sorted_header(content: bytes) -> bytes:
    """The same safetensors file with its metadata in order, so that equal content is equal bytes.

    The library writes them in a new random order each time.
    """
    end = 8 + int.from_bytes(content[:8], "little")  # the header's length comes first
    header = json.loads(content[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at a multiple of eight bytes
    return len(text).to_bytes(8, "little") + text + content[end:]


def read_checkpoint(path: Path | str, device: str = "cpu") -> tuple[SegmentationModel, ModelInfo]:
    """Build the network of a checkpoint with its weights, ready to predict.

    Args:
        path: A ``.safetensors`` file of ``save_model``, or a run folder that holds one.
        device: Name of the device, see ``choose_device``.

    Returns:
        The network in eval mode on ``device``, and the description in the file.

    Raises:
        BundleError: There is no such file, or it is damaged, of another program or of a newer
            version, its weights do not fit its own network, or that network comes from a plugin
            that was not loaded.
        ConfigError: There is no such device.
        NoMemoryError: Memory ran out.

    Example:
        >>> model, info = read_checkpoint("run")
        >>> info.model.name, info.input.size
        ('bmis', (64, 64))
    """
    keep_to_container()
    target = choose_device(device)
    path = find_model(Path(path))
    metadata, state = _read(path)
    info = _read_info(path, metadata)
    check_registered(info.model.name, path)
    try:
        with enough_memory_for(path):
            model = build_untrained(
                info.model.name,
                **{
                    **info.model.options,
                    "in_channels": info.model.in_channels,
                    "num_classes": info.model.num_classes,
                },
            )
    except NoMemoryError:
        raise
    except (ConfigError, ValueError, RuntimeError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise BundleError(
            f"{path}: its network cannot be built ({reason}); update bmis, or train again"
        ) from error
    _check_state(path, state, model.state_dict())
    model.load_state_dict(state, strict=True)
    return model.to(target).eval(), info


def find_model(path: Path) -> Path:
    """Find the model file in a run folder; the file itself may be named too.

    Raises:
        BundleError: There is none, or it is a pickle.

    Example:
        >>> find_model(Path("run")).name
        'model.safetensors'
    """
    file = path / MODEL_FILE if path.is_dir() else path
    if not file.is_file():
        raise BundleError(
            f"{file}: no such file; name a run folder of `bmis train` or a .safetensors file"
        )
    try:
        with file.open("rb") as stream:
            start = stream.read(4)
    except OSError as error:
        raise BundleError(
            f"{file}: cannot be read ({error.strerror}); check its permissions"
        ) from error
    if start.startswith(_PICKLES) and file.suffix != ".safetensors":
        raise BundleError(
            f"{file}: a pickle, which may run any code and is never loaded; name the run folder, "
            "or convert the authors' checkpoint with `bmis convert FILE --model NAME --out OUT`"
        )
    return file


def _read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata and tensors of a safetensors file."""
    try:
        with enough_memory_for(path), safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            return metadata, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise BundleError(
            f"{path}: not a whole safetensors file ({error}); copy or train it again"
        ) from error


def _read_info(path: Path, metadata: Mapping[str, str]) -> ModelInfo:
    version, text = metadata.get("bmis_version"), metadata.get("bmis_info")
    if version is None or text is None:
        raise BundleError(
            f"{path}: a safetensors file, but not of bmis; convert the weights of a network's "
            "authors with `bmis convert FILE --model NAME --out OUT`"
        )
    if version.isdecimal() and int(version) > FORMAT_VERSION:
        raise BundleError(
            f"{path}: format version {version}, this bmis reads up to {FORMAT_VERSION}; update bmis"
        )
    try:
        return ModelInfo.from_dict(json.loads(text))
    except (ConfigError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise BundleError(
            f"{path}: its description cannot be read ({error}); copy it again, or update bmis"
        ) from error


def _check_state(path: Path, found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    """Raise ``BundleError`` unless names, shapes and kinds of numbers agree, all finite."""
    errors = (
        [f"{name} is missing" for name in wanted if name not in found]
        + [f"{name} is unknown" for name in found if name not in wanted]
        + [
            f"{name} is {_shape(found[name])}, not {_shape(tensor)}"
            for name, tensor in wanted.items()
            if name in found and _shape(found[name]) != _shape(tensor)
        ]
    )
    if errors:
        more = f" and {len(errors) - 3} more" if len(errors) > 3 else ""
        raise BundleError(
            f"{path}: its weights do not fit its network: {'; '.join(errors[:3])}{more}; "
            "use the bmis that saved it, or train again"
        )
    _check_finite(found, path, "use an earlier checkpoint, or train again")


def _shape(tensor: Tensor) -> str:
    kind = "" if tensor.is_floating_point() else " integers"
    return f"{'x'.join(map(str, tensor.shape)) or 'a number'}{kind}"


def _check_finite(state: Mapping[str, Tensor], path: Path, fix: str) -> None:
    for name, tensor in state.items():
        if not tensor.isfinite().all():
            raise BundleError(f"{path}: {name} is not finite; {fix}")
