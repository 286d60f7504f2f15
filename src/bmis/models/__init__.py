"""Networks: tensor (N, C, H, W) -> logits (N, K, H, W). Import each family here to register it."""

from bmis.models import attention_unet as _attention_unet  # noqa: F401
from bmis.models import bmis as _bmis  # noqa: F401  (registers its names)
from bmis.models import cgnet as _cgnet  # noqa: F401
from bmis.models import cmunext as _cmunext  # noqa: F401
from bmis.models import contextnet as _contextnet  # noqa: F401
from bmis.models import dabnet as _dabnet  # noqa: F401
from bmis.models import dsu_net as _dsu_net  # noqa: F401
from bmis.models import ege_unet as _ege_unet  # noqa: F401
from bmis.models import enet as _enet  # noqa: F401
from bmis.models import erfnet as _erfnet  # noqa: F401
from bmis.models import fast_scnn as _fast_scnn  # noqa: F401
from bmis.models import lednet as _lednet  # noqa: F401
from bmis.models import lv_unet as _lv_unet  # noqa: F401
from bmis.models import malunet as _malunet  # noqa: F401
from bmis.models import mk_unet as _mk_unet  # noqa: F401
from bmis.models import monai as _monai  # noqa: F401
from bmis.models import simple_unet as _simple_unet  # noqa: F401
from bmis.models import smp as _smp  # noqa: F401
from bmis.models import tinyu_net as _tinyu_net  # noqa: F401
from bmis.models import torchvision as _torchvision  # noqa: F401
from bmis.models import ulite as _ulite  # noqa: F401
from bmis.models import unet as _unet  # noqa: F401
from bmis.models import unext as _unext  # noqa: F401
from bmis.models.base import (
    Method,
    SegmentationModel,
    TrainingView,
    build_model,
    find_method,
    list_models,
    register,
    size_options,
    takes_size,
)
from bmis.models.published import load_published

__all__ = [
    "Method",
    "SegmentationModel",
    "TrainingView",
    "build_model",
    "find_method",
    "list_models",
    "load_published",
    "register",
    "size_options",
    "takes_size",
]
