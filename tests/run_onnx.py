"""A device reached by a command: times an ONNX file in a process of its own and prints milliseconds."""

from __future__ import annotations

import argparse
import time

import numpy as np
import onnxruntime

parser = argparse.ArgumentParser()
parser.add_argument("model")
for option in ("--batch", "--threads", "--precision"):
    parser.add_argument(option, required=True)
asked = parser.parse_args()

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = int(asked.threads)
session = onnxruntime.InferenceSession(asked.model, options, providers=["CPUExecutionProvider"])
image = session.get_inputs()[0]
feed = {image.name: np.zeros(image.shape, dtype=np.float32)}
assert image.shape[0] == int(asked.batch), "the file has another batch"
session.run(None, feed)
started = time.perf_counter()
session.run(None, feed)
print("loaded", asked.precision)
print((time.perf_counter() - started) * 1000)
