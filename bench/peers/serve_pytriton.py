"""A model behind Triton by PyTriton: serve_pytriton.py PORT, with MODEL and TUNED as in serve_fastapi.py.

Not tuned is PyTriton's quick start with its batcher. Tuned has two processes of the model with one thread each, and a batcher that
does not wait.
"""

import os
import pathlib
import sys

import numpy as np
import onnxruntime
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

tuned = os.environ["TUNED"] == "1"
path = pathlib.Path(os.environ["MODEL"]) / "model.onnx"


class Lstm:
    """The session is made where it runs: every instance has a process of its own."""

    session = None

    @batch
    def __call__(self, x):
        if self.session is None:
            options = onnxruntime.SessionOptions()
            if tuned:
                options.intra_op_num_threads = options.inter_op_num_threads = 1
                options.add_session_config_entry("session.set_denormal_as_zero", "1")
            self.session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
        return self.session.run(None, {"x": x})


shape = onnxruntime.InferenceSession(path).get_inputs()[0].shape[1:]
outputs = onnxruntime.InferenceSession(path).get_outputs()[0].shape[1:]
config = ModelConfig(max_batch_size=64)
if tuned:
    config = ModelConfig(max_batch_size=64, batcher=DynamicBatcher(max_queue_delay_microseconds=0))
port = int(sys.argv[1])
with Triton(config=TritonConfig(http_port=port, grpc_port=port + 1, metrics_port=port + 2, allow_metrics=False)) as triton:
    triton.bind(
        model_name="foresail",
        infer_func=[Lstm(), Lstm()] if tuned else Lstm(),
        inputs=[Tensor(name="x", dtype=np.float32, shape=shape)],
        outputs=[Tensor(name="y", dtype=np.float32, shape=outputs)],
        config=config,
    )
    triton.serve()
