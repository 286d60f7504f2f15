"""The other sides of a DICOM node, on the loopback: what sends to it, and what it sends to."""

import logging
import time
from contextlib import contextmanager
from threading import Lock

import yaml
from pydicom import dcmread
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.sop_class import Verification

# what it logs of errors holds on to their sockets, which pytest then complains of
logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)


class Pacs:
    """Takes whatever comes; ``objects`` are all receptions, in order.

    It hangs up on an object whose UID is ``hated``.
    """

    def __init__(self, port=0, *, tls=None, hated=None):
        self.objects, self._lock, self._hated = [], Lock(), hated
        entity = AE("PACS")
        for context in AllStoragePresentationContexts:
            entity.add_supported_context(context.abstract_syntax)
        self._server = entity.start_server(
            ("127.0.0.1", port), block=False, ssl_context=tls,
            evt_handlers=[(evt.EVT_C_STORE, self._keep)],
        )  # fmt: skip
        self.port = self._server.server_address[1]

    def _keep(self, event):
        dataset = event.dataset
        if dataset.SOPInstanceUID == self._hated:
            event.assoc.abort()
            return 0xC000
        with self._lock:
            self.objects.append(dataset)
        return 0x0000

    def close(self):
        self._server.shutdown()

    @property
    def place(self):
        """What rules say of it."""
        return {"aet": "PACS", "host": "127.0.0.1", "port": self.port}

    @property
    def sources(self):
        """UIDs of the sources of each distinct object, by its UID."""
        return {
            one.SOPInstanceUID: sorted(
                item.ReferencedSOPInstanceUID
                for item in one.ReferencedSeriesSequence[0].ReferencedInstanceSequence
            )
            for one in self.objects
        }


def wait_for(condition, seconds=90):
    """Wait until a condition holds; what it gave."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
    return found


def write_rules(folder, network, destination, modalities=("*",)):
    """Rules for a node, all of whose results go to one place; their file."""
    rules = {
        "destinations": [{"name": "there", **destination}],
        "rules": [
            {"network": network, "modality": kind, "send_to": ["there"]} for kind in modalities
        ],
    }
    path = folder / "rules.yaml"
    path.write_text(yaml.safe_dump(rules))
    return path


@contextmanager
def association(port, *, aet="CT1", called="BMIS", tls=None, address="127.0.0.1"):
    """An association with a node; ``is_established`` says whether it was let in."""
    entity = AE(aet)
    entity.add_requested_context(Verification)
    for context in AllStoragePresentationContexts[:120]:
        entity.add_requested_context(context.abstract_syntax, "1.2.840.10008.1.2.1")
    tls_args = tls and (tls, "127.0.0.1")
    one = entity.associate(
        "127.0.0.1", port, ae_title=called, tls_args=tls_args, bind_address=(address, 0)
    )
    try:
        yield one
    finally:
        if one.is_established:
            one.release()
        if one.is_alive():
            one.join(10)


def store(port, paths, **options):
    """Send files or data sets in one association; the status of each, None without answer."""
    with association(port, **options) as one:
        return [_store(one, path) for path in paths]


def _store(one, what):
    try:
        return one.send_c_store(dcmread(what) if hasattr(what, "open") else what).get("Status")
    except RuntimeError:  # the association has ended
        return None
