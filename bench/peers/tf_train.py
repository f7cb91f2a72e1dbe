"""Keras on TensorFlow: tf_train.py DATA EPOCHS THREADS fit|step. `step` is one compiled training step."""

import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import tensorflow as tf
from common import BATCH, EPSILON, RATE, Data, epochs

threads = int(sys.argv[3])
tf.config.threading.set_intra_op_parallelism_threads(threads)
tf.config.threading.set_inter_op_parallelism_threads(threads)
data = Data(sys.argv[1])
model = keras.Sequential([keras.Input((data.steps, data.features))])
for layer in range(data.layers):
    model.add(keras.layers.LSTM(data.hidden, return_sequences=layer + 1 < data.layers))
    model.layers[-1].set_weights(data.keras_layer(layer))
model.add(keras.layers.Dense(data.outputs))
model.layers[-1].set_weights(data.keras_head())
optimizer = keras.optimizers.Adam(RATE, epsilon=EPSILON)

if sys.argv[4] == "fit":
    model.compile(optimizer, "mse")

    def run():
        history = model.fit(data.inputs, data.targets, BATCH, epochs=1, shuffle=False, verbose=0)
        return history.history["loss"][0]

else:
    optimizer.build(model.trainable_variables)
    inputs, targets = tf.constant(data.inputs), tf.constant(data.targets)

    @tf.function(reduce_retracing=True)
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(x, training=True) - y))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables))
        return loss

    def run():
        total = 0.0
        for start in range(0, len(data.inputs), BATCH):
            total += float(step(inputs[start : start + BATCH], targets[start : start + BATCH]))
        return total / (len(data.inputs) // BATCH)


epochs(data, int(sys.argv[2]), run)
