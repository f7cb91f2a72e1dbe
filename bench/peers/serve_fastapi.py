"""A model behind FastAPI: `uvicorn serve_fastapi:app` with MODEL (folder of serve_models.py), RUNTIME (keras or onnx) and TUNED (0 or 1).

Not tuned is what the guides of both show: a typed body, a plain function, Keras' `predict` or a session with its defaults. Tuned has
one thread for each of several processes (--workers), a compiled function, orjson for both ways, no typed body.
"""

import os
import pathlib

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["KERAS_BACKEND"] = "tensorflow"

import numpy as np
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel

folder, tuned = pathlib.Path(os.environ["MODEL"]), os.environ["TUNED"] == "1"
PATH = "/v1/models/foresail:predict"


def keras_model():
    import keras
    import tensorflow as tf

    if tuned:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    model = keras.saving.load_model(folder / "model.keras")
    if not tuned:
        return lambda x: model.predict(x, verbose=0)
    # Compiled by XLA, once per size of a batch: a third of the time of a graph, and `unroll` is slower than that.
    call = tf.function(model, jit_compile=True)
    call(tf.zeros((1, *model.input_shape[1:])))
    return lambda x: call(tf.constant(x)).numpy()


def onnx_model():
    import onnxruntime

    options = onnxruntime.SessionOptions()
    if tuned:
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.set_denormal_as_zero", "1")
    session = onnxruntime.InferenceSession(folder / "model.onnx", options, ["CPUExecutionProvider"])
    return lambda x: session.run(None, {"x": x})[0]


app = FastAPI()
model = keras_model() if os.environ["RUNTIME"] == "keras" else onnx_model()


class Instances(BaseModel):
    instances: list[list[list[float]]]


if tuned:
    import orjson

    # `async`, as a hop to a thread costs more than this model.
    @app.post(PATH)
    async def predict(request: Request):
        x = np.array(orjson.loads(await request.body())["instances"], np.float32)
        body = orjson.dumps({"predictions": model(x)}, option=orjson.OPT_SERIALIZE_NUMPY)
        return Response(body, media_type="application/json")

else:

    @app.post(PATH)
    def predict(request: Instances):
        return {"predictions": model(np.array(request.instances, np.float32)).tolist()}
