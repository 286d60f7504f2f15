"""What a bundle shall hold; no torch."""

from dataclasses import dataclass, field
from typing import Annotated

from msgspec import Meta

from bmis.bundle.manifest import FILES, FORMATS
from bmis.config import PostProcessing, Settings, Size
from bmis.config.checks import one_of
from bmis.errors import ConfigError


@dataclass(frozen=True)
class ExportOptions(Settings):
    """What a bundle shall hold.

    Example:
        >>> ExportOptions(int8=True, formats=("onnx", "openvino")).keep_float
        False
        >>> ExportOptions(keep_float=True)
        Traceback (most recent call last):
        bmis.errors.ConfigError: keep_float keeps float32 beside int8; add --int8
    """

    int8: Annotated[bool, Meta(description="Write int8 in place of float32.")] = False
    keep_float: Annotated[bool, Meta(description="Keep float32 beside int8.")] = False
    formats: Annotated[
        tuple[Annotated[str, one_of(*FORMATS)], ...],
        Meta(
            description="onnx, and any of openvino, ncnn, executorch and litert beside it; the "
            "last three hold float32 at the size of the training only."
        ),
    ] = ("onnx",)
    size: Annotated[
        Size | Annotated[str, one_of("any")] | None,
        Meta(
            title='(height, width) or "any"',
            description="Height and width that the graphs take, or any for every multiple of the "
            "network's stride; the training's if not given.",
        ),
    ] = None
    tune: Annotated[
        bool,
        Meta(
            description="Choose the post-processing on validation images and store what helps; "
            "flips are tried only if they are named."
        ),
    ] = False
    postprocessing: Annotated[
        PostProcessing, Meta(description="Stored in the bundle, and done wherever it runs.")
    ] = field(default_factory=PostProcessing)
    notes: Annotated[str, Meta(description="Markdown to end the model card with.")] = ""

    def __post_init__(self) -> None:
        """Check every value, and that they go together."""
        super().__post_init__()
        if "onnx" not in self.formats:
            raise ConfigError(f"a bundle always holds onnx, got {', '.join(self.formats)}; add it")
        if self.keep_float and not self.int8:
            raise ConfigError("keep_float keeps float32 beside int8; add --int8")
        only_float = [name for name in self.formats if (name, "int8") not in FILES]
        if self.int8 and not self.keep_float and only_float:
            raise ConfigError(
                f"no int8 in {' or '.join(only_float)}, only float32; add --keep-float or drop "
                "--int8"
            )
        chosen = self.postprocessing.changes().keys() - {"flips"}
        if self.tune and chosen:
            raise ConfigError(
                f"tune chooses {', '.join(sorted(chosen))} by itself; leave one of them out"
            )
