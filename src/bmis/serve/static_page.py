"""``bmis serve --static``: the page as a folder of files, whose networks run in the browser.

The pages of the service and of the folder are the same but for one file, ``page/engine.js``, which
says who segments. ``local/`` is the engine that does without a service.
"""

import json
import shutil
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import msgspec
from msgspec import Meta

from bmis.bundle import Bundle, read_bundle
from bmis.config import Settings
from bmis.errors import ConfigError, DataError
from bmis.pretrained.lookup import is_shipped, log_licence
from bmis.serve.headers import policy, security_headers
from bmis.serve.listing import describe_model
from bmis.serve.networks import find_bundles
from bmis.serve.plan import Plan, make_plan
from bmis.serve.static_network import ENDINGS, find_graph, write_network
from bmis.system.files import whole_folder, write_json, write_text
from bmis.system.reading import read_text

_HERE = Path(__file__).parent
_PAGE, _LOCAL = _HERE / "page", _HERE / "local"
_SERVICE_ONLY = ("api.js", "engine.js")
_ENGINE = '// What segments for the page: this browser.\n\nexport * from "../local/engine.js";\n'
_LICENCE, _WORKER = "onnxruntime-LICENSE.txt", "sw.js"
_PACKAGE = "onnxruntime-web"
_RUNTIME = {  # of the package -> names that every web server knows the types of
    "dist/ort.wasm.bundle.min.mjs": "ort.js",
    "dist/ort-wasm-simd-threaded.wasm": "ort.wasm",
}
_GET = f"get it with `npm install {_PACKAGE}`, or name its folder with --{_PACKAGE}"
_WITHOUT = "or name networks that do without, such as dermoscopy"
_UNQUOTED = "/!'()*"  # what encodeURIComponent leaves, and slashes
_SOURCE = "kernels.c"
_CHARSET = '<meta charset="utf-8">'
_POLICY = '\n  <meta http-equiv="Content-Security-Policy" content="{}">'


@dataclass(frozen=True)
class StaticSettings(Settings):
    """What ``bmis serve --static`` is asked to do.

    Example:
        >>> StaticSettings("out").onnxruntime_web
        'node_modules/onnxruntime-web'
    """

    static: Annotated[
        str,
        Meta(
            min_length=1,
            description="Folder to write, new or empty; any web server can hand it out.",
        ),
    ]
    models: tuple[str, ...] = ()
    onnxruntime_web: Annotated[
        str,
        Meta(
            description="Folder of the npm package onnxruntime-web, unpacked; for networks that "
            "need more than the page's own kernels."
        ),
    ] = f"node_modules/{_PACKAGE}"


@dataclass(frozen=True)
class StaticPage:
    """What was written.

    Attributes:
        out: The folder.
        networks: Names of the networks, each with the bytes of its files.
        runtime: Bytes of onnxruntime-web, 0 where no network needs it.
        version: Its version, None where no network needs it.
        total: Bytes of all files.

    Example:
        >>> StaticPage(Path("out"), {"nuclei": 10**6}, 14 * 10**6, "1.30.0", 16 * 10**6).with_one
        16000000
    """

    out: Path
    networks: dict[str, int]
    runtime: int
    version: str | None
    total: int

    @property
    def with_one(self) -> int:
        """Bytes of the page with the largest of its networks alone."""
        sizes = self.networks.values()
        return self.total - sum(sizes) + max(sizes)


def write_static_page(settings: StaticSettings) -> StaticPage:
    """Write the page as a folder, whole or not at all.

    Args:
        settings: The folder, the networks, and where onnxruntime-web is.

    Raises:
        ConfigError: There is no onnxruntime-web and a network needs it, or two networks have one
            name.
        BundleError: A bundle cannot be read, or needs what the engine in the browser lacks.
        DataError: The folder holds something already, or cannot be written.

    Example:
        >>> write_static_page(StaticSettings("out", ("nuclei-bmis",)))
        Traceback (most recent call last):
        bmis.errors.ConfigError: node_modules/onnxruntime-web: no such package, and nuclei-bmis ...
    """
    out, runtime = Path(settings.static), Path(settings.onnxruntime_web)
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise DataError(f"{out}: holds something already; name a new folder")
    paths = find_bundles(settings.models)
    bundles = {name: read_bundle(path) for name, path in paths.items()}
    computed = {name: _compute(bundle) for name, bundle in bundles.items()}
    needing = [name for name, one in computed.items() if not isinstance(one, Plan)]
    version = _check_runtime(runtime, needing[0]) if needing else None
    for name, path in paths.items():
        if is_shipped(path):
            log_licence(name, bundles[name].manifest.info.provenance["licence"])
    with whole_folder(out) as folder:
        _write_page(folder)
        if version:
            _copy_runtime(runtime, folder / "runtime")
        (folder / "networks").mkdir()
        for name, bundle in bundles.items():
            write_network(folder / "networks", name, bundle, computed[name])
        models = [describe_model(name, one.manifest.info) for name, one in bundles.items()]
        megabytes = round(sum(_sizes(folder).values()) / 1e6, 1)
        write_json(
            folder / "networks" / "models.json",
            {"models": msgspec.to_builtins(models), "megabytes": megabytes},
        )
        _write_list(folder)
        sizes = _sizes(folder)
    return StaticPage(
        out,
        {name: sum(sizes.get(f"networks/{name}.{end}", 0) for end in ENDINGS) for name in bundles},
        sum(sizes.get(f"runtime/{name}", 0) for name in _RUNTIME.values()),
        version,
        sum(sizes.values()),
    )


def _compute(bundle: Bundle) -> Plan | bytes:
    """What computes a network: its plan, or its graph where the kernels lack something."""
    graph = bundle.read(find_graph(bundle).file)
    return make_plan(graph) or graph


def _check_runtime(folder: Path, network: str) -> str:
    """The version of onnxruntime-web in a folder, which must have the files that are needed."""
    if not (folder / "package.json").is_file():
        raise ConfigError(f"{folder}: no such package, and {network} needs it; {_GET}; {_WITHOUT}")
    try:
        described = json.loads(read_text(folder / "package.json"))
        name, version = described["name"], str(described["version"])
    except (ValueError, KeyError, TypeError):
        name, version = "", ""
    lacking = [file for file in _RUNTIME if not (folder / file).is_file()]
    if name != _PACKAGE:
        raise ConfigError(f"{folder}: is another package than {_PACKAGE}; {_GET}")
    if lacking:
        raise ConfigError(
            f"{folder}: version {version[:20]} has no {lacking[0]}; take another version, such as "
            f"`npm install {_PACKAGE}@1.30`"
        )
    return version


def _write_page(folder: Path) -> None:
    """The files of the page, with an engine that does without a service."""
    shutil.copytree(_PAGE, folder / "page", ignore=shutil.ignore_patterns(*_SERVICE_ONLY))
    shutil.copytree(
        _LOCAL, folder / "local", ignore=shutil.ignore_patterns(_LICENCE, _WORKER, _SOURCE)
    )
    write_text(folder / "page" / "engine.js", _ENGINE)
    shutil.copyfile(_LOCAL / _WORKER, folder / _WORKER)
    html = (folder / "page" / "index.html").read_text(encoding="utf-8")
    (folder / "page" / "index.html").unlink()
    allowed = _POLICY.format(policy(wasm=True, in_page=True))
    write_text(folder / "index.html", html.replace(_CHARSET, _CHARSET + allowed))


def _copy_runtime(package: Path, folder: Path) -> None:
    folder.mkdir()
    for file, name in _RUNTIME.items():
        shutil.copyfile(package / file, folder / name)
    shutil.copyfile(_LOCAL / _LICENCE, folder / "LICENSE.txt")


def _write_list(folder: Path) -> None:
    """What the service worker keeps: all files by their hashes, under a version of them all."""
    files = {
        quote(name, safe=_UNQUOTED): sha256((folder / name).read_bytes()).hexdigest()
        for name in sorted(_sizes(folder))
        if name != _WORKER
    }
    values = {
        "VERSION": sha256(json.dumps(files).encode()).hexdigest()[:16],
        "HEADERS": security_headers(wasm=True),
        "FILES": files,
    }
    lines = (f"const {name} = {json.dumps(value, indent=1)};" for name, value in values.items())
    write_text(folder / "files.js", "\n".join(lines) + "\n")


def _sizes(folder: Path) -> dict[str, int]:
    """All files of a folder, with their bytes."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in paths}
