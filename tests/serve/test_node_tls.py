"""TLS of a node on both sides, with certificates made for the test."""

import shutil
import socket
import ssl
import subprocess
import urllib.request

import pytest

from bmis.cli.main import main
from bmis.errors import ConfigError
from bmis.serve.node.settings import NodeSettings
from bmis.serve.node.tls import client_context, server_context
from helpers import dicoms
from helpers.orthanc import free_port
from helpers.pacs import Pacs, association, store, wait_for

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl")


def openssl(folder, *argv):
    subprocess.run(["openssl", *argv], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """Two authorities, and a certificate of each for 127.0.0.1: ours and theirs."""
    folder = tmp_path_factory.mktemp("certificates")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    for name in ("ours", "theirs"):
        openssl(
            folder,
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            f"/CN={name} CA",
            "-keyout",
            f"{name}-ca.key",
            "-out",
            f"{name}-ca.pem",
        )
        openssl(
            folder,
            "req",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            f"/CN={name}",
            "-keyout",
            f"{name}.key",
            "-out",
            f"{name}.csr",
        )
        openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", f"{name}-ca.pem",
                "-CAkey", f"{name}-ca.key", "-CAcreateserial", "-days", "2",
                "-extfile", "names", "-out", f"{name}.pem")  # fmt: skip
    openssl(folder, "rsa", "-aes128", "-passout", "pass:abc", "-in", "ours.key",
            "-out", "locked.key")  # fmt: skip
    return folder


@pytest.fixture
def options(certificates):
    """Options of a node with a certificate, which wants one of senders."""
    files = {"cert": "ours.pem", "key": "ours.key", "ca": "ours-ca.pem"}
    return {f"tls_{name}": str(certificates / file) for name, file in files.items()}


def context_of(certificates, purpose, name="ours"):
    """TLS of the other side, which has a certificate if it has a name."""
    context = ssl.create_default_context(purpose, cafile=certificates / "ours-ca.pem")
    if name:
        context.load_cert_chain(certificates / f"{name}.pem", certificates / f"{name}.key")
    return context


@pytest.mark.slow
def test_what_comes_and_goes_is_encrypted_and_strangers_are_kept_out(
    start_node, certificates, options, tmp_path, spool
):
    server = context_of(certificates, ssl.Purpose.CLIENT_AUTH)
    server.verify_mode = ssl.CERT_REQUIRED
    pacs = Pacs(tls=server)
    metrics = free_port()
    try:
        with (
            start_node({**pacs.place, "tls": True}, metrics_port=metrics, **options) as node,
            socket.create_connection(("127.0.0.1", node.port)),  # shakes no hands, holds up none
        ):
            for stranger in (None, *(
                context_of(certificates, ssl.Purpose.SERVER_AUTH, name) for name in ("", "theirs")
            )):  # fmt: skip
                with association(node.port, tls=stranger) as one:
                    assert not one.is_established
            known = context_of(certificates, ssl.Purpose.SERVER_AUTH)
            clip = dicoms.write_clip(tmp_path / "clip.dcm")
            assert store(node.port, [clip, clip], tls=known) == [0, 0]
            wait_for(lambda: pacs.objects and not list(spool.rglob("*.dcm")))
            with urllib.request.urlopen(f"http://127.0.0.1:{metrics}/metrics") as answer:
                text = answer.read().decode()
    finally:
        pacs.close()
    for line in (
        'objects_total{outcome="kept"} 1.0', 'objects_total{outcome="known"} 1.0',
        'series_total{outcome="answered"} 1.0', "spool_bytes 0.0", "dead_results 0.0",
        'results_total{destination="there",outcome="sent"} 1.0',
    ):  # fmt: skip
        assert f"bmis_node_{line}" in text


def test_a_receiver_must_have_a_certificate_of_the_authority(certificates, options):
    context = client_context(NodeSettings(**options))
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert [one["subject"][0][0][1] for one in context.get_ca_certs()] == ["ours CA"]
    assert server_context(NodeSettings(**{**options, "tls_ca": None})).verify_mode == ssl.CERT_NONE
    assert server_context(NodeSettings(**options)).verify_mode == ssl.CERT_REQUIRED


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tls_cert": "nowhere.pem"}, "cannot be used for TLS"),
        ({"tls_ca": "nowhere.pem"}, "nowhere.pem: cannot be used for TLS (No such file"),
        ({"tls_key": "theirs.key"}, "cannot be used for TLS"),
        ({"tls_key": "names"}, "cannot be used for TLS"),
        ({"tls_key": "locked.key"}, "locked.key: has a password"),
    ],
)
def test_certificates_that_are_no_good_are_said_in_one_line(certificates, options, changes, words):
    changes = {name: str(certificates / file) for name, file in changes.items()}
    with pytest.raises(ConfigError) as caught:
        server_context(NodeSettings(**{**options, **changes}))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--tls-cert", "a.pem"], "both or none"),
        (["--tls-ca", "a.pem"], "--tls-ca FILE goes with --tls-cert"),
    ],
)
def test_options_that_belong_together_are_asked_for_together(argv, words, capsys):
    given = ["--spool", "s", "--rules", "r.yaml", "--peers", "CT1@127.0.0.1"]
    assert main(["serve", "--dicom", "0", *given, *argv]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
