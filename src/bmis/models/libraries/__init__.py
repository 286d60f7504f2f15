"""Networks of other libraries, one file a library. Import each here to register its networks."""

from bmis.models.libraries import monai, smp, torchvision  # noqa: F401
