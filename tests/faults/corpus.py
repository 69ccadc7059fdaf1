"""Bad inputs by the hundred: (name, command line, files it needs, exit code). Files are made from sound ones.

A file is given as (base, path inside it, value) for a changed document, or as raw bytes.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml
from command_lines import TINY_NETWORK, TINY_SPACE

GONE = object()
"""A value that stands for no value: the key is removed."""
HUGE = 10**30
DEEP = "[" * 100_000

Document = Any


@dataclass(frozen=True)
class Case:
    """One bad input."""

    name: str
    arguments: tuple[str, ...]
    files: Mapping[str, bytes] = field(default_factory=dict)
    code: int = 2


def changed(document: Document, path: str, value: object) -> Document:
    """A copy with one value changed: ``stages[1].kernel_size``; ``GONE`` removes it."""
    found = copy.deepcopy(document)
    steps = [int(step) if step.isdigit() else step for step in path.replace("[", ".").replace("]", "").split(".")]
    inner = found
    for step in steps[:-1]:
        inner = inner[step]
    if value is GONE:
        del inner[steps[-1]]
    else:
        inner[steps[-1]] = value
    return found


def as_json(document: Document) -> bytes:
    return json.dumps(document).encode()


def as_yaml(document: Document) -> bytes:
    return yaml.safe_dump(document, sort_keys=False).encode()


PRESET = {
    "format": "hwsearch-preset",
    "version": 1,
    "name": "mine",
    "text": TINY_NETWORK,
    "dropout_rate": 0.2,
    "drop_connect_rate": 0.2,
}

PRESET_CHANGES = [
    *[("format", value) for value in (GONE, "hwsearch-presets", 3, None, ["hwsearch-preset"], "")],
    *[("version", value) for value in (GONE, 0, 2, -1, HUGE, "1", 1.5, None, [1])],
    *[("name", value) for value in (GONE, "", "Bad Name", "x" * 500, 3, None, "../../etc", "a/b", "-a", "a\nb")],
    *[("text", value) for value in (GONE, "", "r32", 3, None, ["r32"], TINY_NETWORK + " bogus", "x" * 10**6)],
    *[("dropout_rate", value) for value in (-0.1, 1.0, 2, "0.2", [0.2], HUGE, True)],
    *[("drop_connect_rate", value) for value in (-0.1, 1.5, "0.2", {})],
    *[("macs", value) for value in (1, -1, "many")],
    *[("params", value) for value in (1, 0.5)],
    *[("published_top1", value) for value in (77.1, {"percent": 77.1}, {"percent": 200, "source": "me"}, {})],
    ("surprise", 1),
    ("provenance", 3),
]

SPACE = yaml.safe_load(TINY_SPACE)

SPACE_CHANGES = [
    *[("format", value) for value in (GONE, "hwsearch-preset", None)],
    *[("version", value) for value in (GONE, 2, "1", None)],
    *[("name", value) for value in (GONE, "", 3, "a/b", "x" * 500)],
    *[("resolution", value) for value in (GONE, 0, -32, 32.5, "32", [], [32, 32], HUGE, [0], None, {})],
    *[("stem_channels", value) for value in (0, -8, "8", HUGE, [8, 16])],
    *[("head_channels", value) for value in (0, -1, 1.5)],
    *[("activation", value) for value in ("gelu", "", 3, ["swish"])],
    *[("num_classes", value) for value in (0, -1, "ten", HUGE)],
    *[("stages", value) for value in (GONE, [], {}, 3, "stages", [3], [{}], [None])],
    *[("stages[1].kernel_size", value) for value in (GONE, 0, 2, 4, [], [3, 3], -3, "3", HUGE, [3, "5"], 3.5, [None])],
    *[("stages[1].expand_ratio", value) for value in (0, -1, [], "6", [6, 6])],
    *[("stages[1].num_repeats", value) for value in (0, [0, 1], 1.5, [], -2, HUGE)],
    *[("stages[1].se_ratio", value) for value in (-0.25, 2, "0.25", [], [0.25, 0.25])],
    *[("stages[1].out_channels", value) for value in (0, -16, [], "16", HUGE)],
    *[("stages[1].stride", value) for value in (0, 3, [1, 2], "2", -1)],
    ("stages[1].surprise", 1),
    ("surprise", 1),
]

TABLE_CHANGES = [
    *[("format", value) for value in (GONE, "x")],
    *[("version", value) for value in (GONE, 7, "1")],
    *[("name", value) for value in (GONE, 3)],
    *[("setup", value) for value in (GONE, {}, None, [], "cpu")],
    *[("setup.threads", value) for value in (-1, "1", 1.5, GONE)],
    *[("setup.batch", value) for value in (-1, None)],
    *[("setup.precision", value) for value in ("f8", 32)],
    *[("setup.device", value) for value in ("cpu", {}, GONE)],
    *[("method", value) for value in ("guess", GONE)],
    *[("constant_ms", value) for value in ("0", GONE, None, [])],
    *[("ops", value) for value in (GONE, [], {"bogus": {}}, 3)],
    *[("fidelity", value) for value in (GONE, {}, 3, {"mape": -1})],
    *[("warnings", value) for value in ("none", [3], None)],
    *[("sessions", value) for value in ({}, [3], [{}], None)],
    ("surprise", 1),
]

SUMMARY_CHANGES = [
    *[("format", value) for value in (GONE, "hwsearch-run")],
    *[("version", value) for value in (2, None)],
    *[("networks", value) for value in (GONE, [], [3], [{}], {})],
    *[("networks[0].text", value) for value in (GONE, "", "bogus", 3)],
    *[("networks[0].macs", value) for value in ("many", -1, None, 1.5)],
    *[("networks[0].role", value) for value in ("boss", 3, None)],
    *[("networks[0].latency_ms", value) for value in ("8", -1)],
    *[("front", value) for value in (GONE, {}, [3])],
    *[("seed", value) for value in ("0", None, 1.5)],
    *[("budgets", value) for value in ("x", [3])],
    *[("setup", value) for value in ({}, 3)],
    *[("history", value) for value in ([3], GONE, [{"evaluated": "x"}])],
    *[("exports", value) for value in ([3], [{"network": 3}])],
    *[("seconds", value) for value in (3, {"search": "long"})],
    ("surprise", 1),
]

TEXTS = [
    *("r0 " + TINY_NETWORK[4:], "r-32 " + TINY_NETWORK[4:], "r32.5 " + TINY_NETWORK[4:], "r32 r32 " + TINY_NETWORK[4:]),
    *("r" + "9" * 40 + TINY_NETWORK[3:], "r32 ir_", "r32 ir_r1", "ir_k3", "ds_r1_k3_s1_e6_c8"),
    *("ir_r0_k3_s1_e6_c8", "ir_r1_k4_s1_e6_c8", "ir_r1_k0_s1_e6_c8", "ir_r1_k-3_s1_e6_c8", "ir_r1_k3_s0_e6_c8"),
    *("ir_r1_k3_s3_e6_c8", "ir_r1_k3_s1_e0_c8", "ir_r1_k3_s1_e6_c0", "ir_r1_k3_s1_e6_c8_se-1", "ir_r1_k3_s1_e6_c8_se2"),
    *("ir_r1_k3_s1_e6_c8_senan", "ir_r1_k3_s1_e6_c8_seinf", "ir_r1_k3_s1_e6_c8_se0.25_se0.25", "ir_r1_k3_k5_s1_e6_c8"),
    *(
        "ir_r1_k3_s1_e6_c8 gelu",
        "ir_r1_k3_s1_e6_c8 swish relu6",
        "ir_r1_k3_s1_e6_c8 stem_c0",
        "ir_r1_k3_s1_e6_c8 head_c",
    ),
    *("ir_r1_k3_s1_e6_c8 classes0", "ir_r1_k3_s1_e6_c8 classesx", "ir_r1_k3_s1_e6_c1.5e0", "ir_r²_k3_s1_e6_c8"),
    *("ir_r1_k3_s1_e6_c8\x00", "ds_ ds_ ds_", "ir_r1_k3_s1_e6_c8_" * 5000, "ir_r99999999_k3_s1_e6_c8"),
    *("r99999999999 ir_r1_k3_s1_e6_c8", "ir_r1_k3_s1_e6_c99999999999999", "ir_r1_k999999999_s1_e6_c8", "\ud800 ir_"),
]

RAW = {
    "empty": b"",
    "blank": b" \n\t\n",
    "zeros": b"\0" * 4096,
    "bytes": bytes(range(256)) * 16,
    "utf-16": "format: hwsearch-preset".encode("utf-16"),
    "latin-1": b'{"format": "hwsearch-preset \xe9"}',
    "deep": DEEP.encode(),
    "deep objects": b'{"a":' * 50_000,
    "cut": b'{"format": "hwsearch-preset", "version": 1, "na',
    "nan": b'{"format": "hwsearch-preset", "version": NaN}',
    "infinite": b'{"format": "hwsearch-preset", "version": 1e999}',
    "huge number": b'{"version": ' + b"9" * 10_000 + b"}",
    "repeated": b'{"format": "a", "format": "b"}',
    "list": b"[1, 2, 3]",
    "number": b"3",
    "string": b'"hwsearch-preset"',
    "html": b"<!DOCTYPE html><html></html>",
    "python": b"import os\nos.system('touch owned')\n",
    "yaml object": b"!!python/object/apply:os.system ['touch owned']\n",
    "yaml bomb": b"".join(
        f"{name}: &{name} [{', '.join([f'*{before}' if before else 'x'] * 9)}]\n".encode()
        for before, name in zip(["", *"abcdefgh"], "abcdefghi", strict=True)
    ),
    "pickle": b"\x80\x04\x8c\x05posix\x94\x8c\x06system\x94\x93\x94\x8c\x0ctouch owned\x94\x85R.",
    "zip": b"PK\x03\x04\x14\x00\x00\x00\x08\x00" + b"\x00" * 100,
}
READERS = {
    "preset": ("estimate", "bad.json"),
    "module": ("estimate", "bad.py"),
    "space": ("search", "--accuracy", "none", "--objective", "macs", "--space", "bad.yaml"),
    "table": ("estimate", "efficientnet-b0", "--table", "bad.json"),
    "networks": ("estimate", "--file", "bad.txt"),
    "accuracy table": ("search", "--accuracy", "table:bad.csv"),
    "predictor": ("search", "--accuracy", "bad.npz"),
    "training data": ("accuracy", "fit", "bad.csv"),
    "run": ("report", "bad"),
}
FOREIGN = {
    "config.json": [
        {"model_type": "efficientnet"},
        {"model_type": "efficientnet", "image_size": "x"},
        {"model_type": "efficientnet", "width_coefficient": -1},
        {"model_type": "efficientnet", "width_coefficient": HUGE, "depth_coefficient": HUGE},
        {"model_type": "resnet"},
        {"class_name": "EfficientNetBackbone"},
        {"class_name": "EfficientNetBackbone", "config": 3},
        {"class_name": "EfficientNetBackbone", "config": {"stackwise_kernel_sizes": []}},
        [],
        [[]],
        [["ds_r1_k3_s1_e1_c16_se0.25"], 3],
        [["xx_r1_k3"]],
        [["ir_r1_k3_s1_e6_c8_se0.25", None]],
    ]
}
MODULES = [
    "x = 1\n",
    "def f(:\n",
    "arch_def = [['ds_r1_k3_s1_e1_c16'], [f()]]\n",
    "arch_def = open('/etc/passwd').read()\n",
    "(" * 5000,
    "class Net: pass\n" * 3,
    "arch_def = [[]] * 10**9\n",
]

CSV = {
    "no columns": "a,b\n1,2\n",
    "no rows": "text,top1\n",
    "no top1": f"text\n{TINY_NETWORK}\n",
    "a word": f"text,top1\n{TINY_NETWORK},high\n",
    "fractions": f"text,top1\n{TINY_NETWORK},0.771\n",
    "above": f"text,top1\n{TINY_NETWORK},771\n",
    "negative": f"text,top1\n{TINY_NETWORK},-1\n",
    "nan": f"text,top1\n{TINY_NETWORK},nan\n",
    "no network": "text,top1\nbogus,77\n",
    "short row": f"text,top1\n{TINY_NETWORK}\n",
    "a quote": f'text,top1\n"{TINY_NETWORK},77\n',
    "another space": f"text,top1\n{TINY_NETWORK},77\n",
}

COMMANDS = [
    ("measure efficientnet-b0 --target openvino:NOWHERE", 4),
    ("measure efficientnet-b0 --target cpu:3", 2),
    ("measure efficientnet-b0 --target :", 2),
    ("measure efficientnet-b0 --target command:.", 2),
    ("measure efficientnet-b0 --target command:" + "x" * 5000, 2),
    ("measure efficientnet-b0 --threads 99999999999999999999", 2),
    ("measure efficientnet-b0 --batch 100000", 2),
    ("measure efficientnet-b0 --file .", 2),
    ("estimate .", 2),
    ("estimate /", 2),
    ("estimate /dev/zero", 2),
    ("estimate /dev/null", 2),
    ("estimate --file /dev/zero", 2),
    ("estimate efficientnet-b0 --table .", 2),
    ("estimate efficientnet-b0 --table /dev/zero", 2),
    ("estimate efficientnet-b0:best", 2),
    ("estimate -- --json", 2),
    ("search --space /dev/zero", 2),
    ("search --space .", 2),
    ("search --accuracy table:.", 2),
    ("search --accuracy table:/dev/zero", 2),
    ("search --accuracy command:/dev/zero", 2),
    ("search --accuracy command:.", 2),
    ("search --accuracy table:", 2),
    ("search --accuracy .npz", 2),
    ("search --seed 1e3", 2),
    ("search --evaluations 3", 2),
    ("search --budget params<=nan", 2),
    ("search --budget params<=-1", 2),
    ("search --budget params<=1e999", 2),
    ("search --budget macs<=1M --budget macs<=1M", 3),
    ("search --budget macs<=1", 3),
    ("search --table a100 --budget latency_ms<=0.000001", 3),
    ("search --table a100 --budget predicted_top1>=99.9", 3),
    ("search --objective macs --objective macs", 2),
    ("search --table a100 --table nowhere", 2),
    ("search --target nowhere", 2),
    ("search -o /dev/null", 2),
    ("search -o /dev/null/run", 2),
    ("search -o /proc/run", 2),
    ("run --target nowhere", 2),
    ("run --seconds 0", 2),
    ("run --seconds nan", 2),
    ("run --table a100 -o /dev/null", 2),
    ("run --table a100 --target cpu", 2),
    ("profile --target nowhere", 2),
    ("profile --covers 101", 2),
    ("profile --held-out 10001", 2),
    ("profile --networks nonsense", 2),
    ("profile --networks ,", 2),
    ("profile --precision f64", 2),
    ("validate a100", 4),
    ("validate a100 --networks 99999", 2),
    ("validate /dev/null", 2),
    ("scale --phi 1e999", 2),
    ("scale --phi -1000", 2),
    ("scale --phi 5:1", 2),
    ("scale --phi ,", 2),
    ("scale --phi 1000000", 2),
    ("scale --beta 1e308 --phi 2", 2),
    ("scale --gamma -1", 2),
    ("scale --alpha 0", 2),
    ("scale efficientnet-b0 -o /dev/null", 2),
    ("scale efficientnet-b0 --table nonsense", 2),
    ("export efficientnet-b0 --to onnx -o /dev/null", 2),
    ("export efficientnet-b0 --to onnx -o /proc/x", 2),
    ("export efficientnet-b0 --to timm --name ..", 2),
    ("export nonsense --to timm", 2),
    ("export efficientnet-b0 --to ONNX", 2),
    ("presets efficientnet-b8", 2),
    ("presets .", 2),
    ("report .", 2),
    ("report /dev/null", 2),
    ("report /", 2),
    ("accuracy fit .", 2),
    ("accuracy fit /dev/null", 2),
    ("accuracy nonsense", 2),
    ("fit-tables /dev/null", 2),
    ("fit-tables missing.csv", 2),
    ("--quiet", 2),
    ("-q bogus", 2),
    ("estimate efficientnet-b0 --json=3", 2),
    ("measure efficientnet-b0 --dask x", 2),
]


def cases(table: Document, summary: Document, config: Document) -> Iterator[Case]:
    """All of them, given a sound table, and the sound summary and configuration of a run."""
    for path, value in PRESET_CHANGES:
        yield Case(
            _name("preset", path, value), ("estimate", "bad.json"), {"bad.json": as_json(changed(PRESET, path, value))}
        )
    for path, value in SPACE_CHANGES:
        yield Case(_name("space", path, value), READERS["space"], {"bad.yaml": as_yaml(changed(SPACE, path, value))})
    for path, value in (*TABLE_CHANGES, *_op_changes(table)):
        document = changed(table, path, value) if path != "ops*" else {**table, "ops": value}
        yield Case(_name("table", path, value), READERS["table"], {"bad.json": as_json(document)})
    for path, value in SUMMARY_CHANGES:
        files = {"bad/run.json": as_json(config), "bad/summary.json": as_json(changed(summary, path, value))}
        yield Case(_name("summary", path, value), ("estimate", "bad"), files)
    for number, text in enumerate(TEXTS):
        yield Case(f"text {number}: {text[:40]!r}", ("estimate", text))
    yield from _raw_cases(config)
    yield from _foreign_cases()
    for name, text in CSV.items():
        yield Case(f"accuracy table: {name}", ("search", "--accuracy", "table:bad.csv"), {"bad.csv": text.encode()})
    for line, code in COMMANDS:
        yield Case(line[:80], tuple(line.split()), code=code)


def _op_changes(table: Document) -> Iterator[tuple[str, object]]:
    key = next(iter(table["ops"]))
    ops = table["ops"]
    for value in (3, {}, {"latency_ms": -1, "parts_ms": {}, "occurrences": 1}, None, []):
        yield "ops*", {**ops, key: value}
    for wrong in ({"latency_ms": "1"}, {"latency_ms": None}, {"occurrences": -1}, {"parts_ms": {"bogus": 1}}, {"x": 1}):
        yield "ops*", {**ops, key: {**ops[key], **wrong}}
    for wrong_key in ("", "bogus", key + "_x", "mbconv_r7_i192_o192_k3"):
        yield "ops*", {**ops, wrong_key: ops[key]}


def _raw_cases(config: Document) -> Iterator[Case]:
    for reader, arguments in READERS.items():
        for name, data in RAW.items():
            if reader == "run":
                files = {"bad/run.json": as_json(config), "bad/summary.json": data}
            else:
                files = {arguments[-1].removeprefix("table:"): data}
            yield Case(f"{reader}: {name}", arguments, files)


def _foreign_cases() -> Iterator[Case]:
    for number, document in enumerate(FOREIGN["config.json"]):
        yield Case(f"config.json {number}", ("estimate", "config.json"), {"config.json": as_json(document)})
    for number, text in enumerate(MODULES):
        yield Case(f"module {number}", ("estimate", "bad.py"), {"bad.py": text.encode()})


def _name(kind: str, path: str, value: object) -> str:
    return f"{kind}: {path} = {'gone' if value is GONE else repr(value)[:40]}"
