"""Networks written here, one file a family. Import each family here to register it."""

from bmis.models.networks import (  # noqa: F401
    attention_unet,
    bmis,
    cgnet,
    cmunext,
    contextnet,
    dabnet,
    dsu_net,
    ege_unet,
    enet,
    erfnet,
    fast_scnn,
    lednet,
    lv_unet,
    malunet,
    mk_unet,
    simple_unet,
    tinyu_net,
    ulite,
    unet,
    unext,
)
