"""Bundles of all formats with right hashes, checkpoints and run folders, all damaged inside."""

import hashlib
import io
import json
import re
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper

from fuzzing.edits import NUMBERS, edit_bytes, edit_values
from fuzzing.material import BUNDLE, DATA, RUN
from fuzzing.mutant import Mutant

_XML, _BIN = "openvino/model.xml", "openvino/model.bin"
_PARAM = "ncnn/model.param"
_OPERATORS = (
    *("Gather", "GatherND", "ScatterElements", "ScatterND", "Loop", "If", "Scan", "Tile", "Expand"),
    *("Resize", "Pad", "Range", "ConstantOfShape", "Reshape", "Conv", "Add", "Div", "Mod", "TopK"),
)


def bundle(random: Random, material: Path, folder: Path) -> Mutant:
    """A bundle changed inside, with hashes that are right."""
    with zipfile.ZipFile(material / BUNDLE) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change = random.choice(_CHANGES)
    change(random, members)
    if change is not _whole:
        _promise(members)
    file = folder / "changed.bmis"
    file.write_bytes(_zip(members) if change is not _whole else _edited_zip(random, members))
    openvino = change in (_layers, _constants)
    own = "openvino" if openvino else "ncnn" if change is _ncnn else "onnxruntime"
    engine = random.choice((own, "auto"))
    image = str(next((material / DATA / "images").iterdir()))
    command = ["predict", str(file), image, "--out", str(folder / "out"), "--threads", "1"]
    return Mutant([[*command, "--engine", engine]], (), f"{change.__name__.strip('_')} {engine}")


def _zip(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def _promise(members: dict[str, bytes]) -> None:
    """Make the hashes in the manifest those of the members."""
    try:
        content = json.loads(members["manifest.json"])
        content["members"] = {
            name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
            for name, data in members.items()
            if name != "manifest.json"
        }
    except (ValueError, TypeError, RecursionError):  # the manifest itself was changed too much
        return
    members["manifest.json"] = json.dumps(content).encode()


def _whole(random: Random, members: dict[str, bytes]) -> None:
    """Nothing inside; the zip itself is edited."""


def _edited_zip(random: Random, members: dict[str, bytes]) -> bytes:
    data = _zip(members)
    start = data.index(b"PK\x01\x02") if random.random() < 0.5 else 0
    return data[:start] + edit_bytes(random, data[start:])


def _manifest(random: Random, members: dict[str, bytes]) -> None:
    content = json.loads(members["manifest.json"])
    edit_values(random, content)
    members["manifest.json"] = json.dumps(content).encode()


def _manifest_text(random: Random, members: dict[str, bytes]) -> None:
    members["manifest.json"] = edit_bytes(random, members["manifest.json"])


def _graph_bytes(random: Random, members: dict[str, bytes]) -> None:
    name = random.choice([name for name in members if name.endswith(".onnx")])
    members[name] = edit_bytes(random, members[name])


def _nodes(random: Random, members: dict[str, bytes]) -> None:
    """Operators, attributes, edges and weights of an ONNX graph changed."""
    name = random.choice([name for name in members if name.endswith(".onnx")])
    model = onnx.load_from_string(members[name])
    for _ in range(random.randint(1, 2)):
        random.choice((_attribute, _attribute, _edge, _operator, _weight, _weight, _shape))(
            random, model.graph
        )
    members[name] = model.SerializeToString()


def _attribute(random: Random, graph: Any) -> None:
    attributes = [one for node in graph.node for one in node.attribute]
    if not attributes:
        return
    one, number = random.choice(attributes), int(random.choice(NUMBERS[:17]))
    if len(one.ints):
        one.ints[random.randrange(len(one.ints))] = number
    else:
        one.i, one.f = number, float(number)


def _edge(random: Random, graph: Any) -> None:
    node = random.choice(graph.node)
    names = [name for one in graph.node for name in (*one.input, *one.output)] + ["", "nowhere"]
    side = node.input if len(node.input) and random.random() < 0.8 else node.output
    side[random.randrange(len(side))] = random.choice(names)


def _operator(random: Random, graph: Any) -> None:
    random.choice(graph.node).op_type = random.choice(_OPERATORS)


def _weight(random: Random, graph: Any) -> None:
    """Whole numbers become wild ones; of other weights the values or the dimensions change."""
    tensors = list(graph.initializer)
    whole = [one for one in tensors if one.data_type in (6, 7)]
    one = random.choice(whole if whole and random.random() < 0.7 else tensors)
    if (array := _values(one)) is not None and array.size and random.random() < 0.8:
        wild = int(random.choice(NUMBERS[:17])) if one.data_type == 7 else random.randint(-999, 999)
        array.flat[random.randrange(array.size)] = wild
        one.CopyFrom(numpy_helper.from_array(array, one.name))
    elif len(one.dims):
        one.dims[random.randrange(len(one.dims))] = int(random.choice(NUMBERS[:17]))


def _values(tensor: Any) -> NDArray[Any] | None:
    """The values of a weight; none where a change before this one gave it other dimensions."""
    try:
        return numpy_helper.to_array(tensor).copy()
    except ValueError:
        return None


def _shape(random: Random, graph: Any) -> None:
    value = random.choice([*graph.input, *graph.output])
    sides = value.type.tensor_type.shape.dim
    if len(sides):
        sides[random.randrange(len(sides))].dim_value = int(random.choice(NUMBERS[:17]))


def _layers(random: Random, members: dict[str, bytes]) -> None:
    """Numbers, words and layers of an OpenVINO graph changed."""
    text = members[_XML].decode()
    for _ in range(random.randint(1, 2)):
        pattern = random.choice(
            (r'"-?\d+"', r">-?\d+<", r'type="\w+"', r'"[\d, ]+"', r"<edge .*?>")
        )
        found = list(re.finditer(pattern, text))
        if not found:
            continue
        one = random.choice(found)
        number = str(random.choice(NUMBERS[:19]))
        new = {
            '"': f'"{number}"',
            ">": f">{number}<",
            "t": f'type="{random.choice((*_OPERATORS, "Constant", "Const", "Parameter"))}"',
            "<": random.choice(("", one[0] * 2, random.choice(found)[0])),
        }[one[0][0]]
        text = text[: one.start()] + new + text[one.end() :]
    members[_XML] = text.encode() if random.random() < 0.8 else edit_bytes(random, text.encode())


def _constants(random: Random, members: dict[str, bytes]) -> None:
    """Whole numbers among the constants of an OpenVINO graph become wild ones."""
    text, data = members[_XML].decode(), bytearray(members[_BIN])
    places = re.findall(r'element_type="i(?:64|32)"[^>]*?offset="(\d+)" size="(\d+)"', text)
    for offset, size in random.sample(places, min(3, len(places))):
        at = int(offset) + 8 * random.randrange(max(1, int(size) // 8))
        number = int(random.choice(NUMBERS[:17])) % 2**64
        if at + 8 <= len(data):
            struct.pack_into("<Q", data, at, number)
    members[_BIN] = bytes(data) if places else edit_bytes(random, bytes(data))


def _ncnn(random: Random, members: dict[str, bytes]) -> None:
    """Numbers, types and values of a graph of ncnn changed, or its weights."""
    name = random.choice((*[_PARAM] * 5, _PARAM.replace("param", "bin")))
    if name != _PARAM or random.random() < 0.2:
        members[name] = edit_bytes(random, members[name])
        return
    lines = [line.split(" ") for line in members[name].decode().split("\n")]
    for _ in range(random.randint(1, 2)):
        words = random.choice([line for line in lines if len(line) > 1])
        place = random.randrange(len(words))
        key, equals, _ = words[place].partition("=")
        other = random.choice(random.choice(lines))
        words[place] = f"{key}={random.choice(NUMBERS[:19])}" if equals else other
    members[name] = "\n".join(map(" ".join, lines)).encode()


_CHANGES: tuple[Callable[[Random, dict[str, bytes]], None], ...] = (
    *(_whole, _manifest, _manifest, _manifest_text, _graph_bytes, _nodes, _nodes, _nodes),
    *(_layers, _layers, _constants, _ncnn, _ncnn),
)


def checkpoint(random: Random, material: Path, folder: Path) -> Mutant:
    """A run folder or a checkpoint of authors with something wrong in it."""
    run, out = folder / "run", folder / "out"
    shutil.copytree(material / RUN, run)
    image = str(next((material / DATA / "images").iterdir()))
    predict = ["predict", str(run), image, "--out", str(out), "--threads", "1"]
    evaluate = ["evaluate", str(run), "--out", str(out)]
    resume = ["train", str(material / DATA), "--out", str(run), "--epochs", "1", "--size", "32"]
    how = random.randrange(6)
    if how < 3:
        _change_model(random, run / "model.safetensors")
        return Mutant([predict if random.random() < 0.8 else evaluate], (), "model")
    if how == 3:
        name = random.choice(("config.yaml", "environment.json", "log.csv", "last.ckpt"))
        (run / name).write_bytes(edit_bytes(random, (run / name).read_bytes()))
        return Mutant([evaluate if random.random() < 0.7 else resume], (), name)
    if how == 4:
        text = random.choice(("a: &a [*a]", "[" * 5000, "data: [1]", "fold: {}", "seed: .inf", "1"))
        (run / "config.yaml").write_text(text, encoding="utf-8")
        return Mutant([evaluate], (), "config")
    file = folder / random.choice(("authors.pth", "authors.safetensors"))
    if file.suffix == ".pth":
        torch.save({"state_dict": {"a": torch.zeros(3), "b.weight": torch.ones(2, 2)}}, file)
    else:
        shutil.copy(run / "model.safetensors", file)
    file.write_bytes(edit_bytes(random, file.read_bytes()))
    convert = ["convert", str(file), "--model", "bmis", "--out", str(folder / "x.safetensors")]
    return Mutant([convert], (), f"convert {file.suffix}")


def _change_model(random: Random, file: Path) -> None:
    """The header changed as bytes or as values, or what ``bmis`` wrote into it."""
    data = file.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    how = random.randrange(4)
    if how == 0:
        file.write_bytes(edit_bytes(random, data))
        return
    if how == 1:
        edit_values(random, header)
    elif how == 2:
        info = json.loads(header["__metadata__"]["bmis_info"])
        edit_values(random, info)
        header["__metadata__"]["bmis_info"] = json.dumps(info)
    else:
        info = header["__metadata__"]["bmis_info"].encode()
        header["__metadata__"]["bmis_info"] = edit_bytes(random, info).decode(errors="replace")
    text = json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + body)
