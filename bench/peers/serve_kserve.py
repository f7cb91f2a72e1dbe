"""A model behind KServe's Python server: serve_kserve.py --http_port PORT [--workers N], with MODEL and TUNED as in serve_fastapi.py.

The model is an ONNX Runtime session, the fastest of the runtimes that KServe's own servers have for it here.
"""

import logging
import os
import pathlib

import numpy as np
import onnxruntime
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer

tuned = os.environ["TUNED"] == "1"
if tuned:
    # Here, as every worker reads this file anew. It writes four lines for each request.
    logging.disable(logging.INFO)


class Lstm(Model):
    """The session is made where it runs: with --workers each process gets a copy of this object."""

    session = None

    def __init__(self, name):
        super().__init__(name)
        self.ready = True

    def open(self):
        options = onnxruntime.SessionOptions()
        if tuned:
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            options.add_session_config_entry("session.set_denormal_as_zero", "1")
        path = pathlib.Path(os.environ["MODEL"]) / "model.onnx"
        self.session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])

    async def predict(self, payload, headers=None, response_headers=None):
        if isinstance(payload, InferRequest):
            y = self.run(payload.inputs[0].as_numpy())
            output = InferOutput("y", list(y.shape), "FP32")
            output.set_data_from_numpy(y, binary_data=False)
            return InferResponse(payload.id or "1", self.name, [output])
        return {"predictions": self.run(np.array(payload["instances"], np.float32)).tolist()}

    def run(self, x):
        if self.session is None:
            self.open()
        return self.session.run(None, {"x": x})[0]


if __name__ == "__main__":
    ModelServer().start([Lstm("foresail")])
