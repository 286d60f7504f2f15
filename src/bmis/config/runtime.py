"""How a trained network is run."""

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from bmis.config.checks import one_of
from bmis.config.settings import Settings


@dataclass(frozen=True)
class RuntimeOptions(Settings):
    """How a trained network is run; no choice changes what the masks mean.

    Example:
        >>> RuntimeOptions(engine="onnxruntime", threads=2).precision
        'auto'
    """

    device: Annotated[
        str,
        Meta(
            description="Device for run folders and .safetensors files: auto (the first GPU where "
            "there is one), cpu, cuda, or cuda:1 for the second GPU."
        ),
    ] = "auto"
    engine: Annotated[
        str,
        one_of("auto", "onnxruntime", "openvino", "ncnn"),
        Meta(description="Engine for bundles; auto is the fastest of those that are installed."),
    ] = "auto"
    precision: Annotated[
        str,
        one_of("auto", "fp32", "bf16", "int8"),
        Meta(
            description="Precision for bundles; auto is the faster of int8 and fp32 where the "
            "bundle has both. Run folders are run in fp32."
        ),
    ] = "auto"
    threads: Annotated[
        Annotated[int, Meta(ge=1, le=1024)] | None,
        Meta(description="Processor threads that share one call; one for each core if not given."),
    ] = None
