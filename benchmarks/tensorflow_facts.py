"""What TensorFlow reaches on this machine, and how much arithmetic a network asks for."""

import common
import numpy as np
import tensorflow as tf


def tensorflow_gflops():
    """float32 GFLOP/s of TensorFlow's matrix product here."""
    matrix = tf.random.stateless_uniform((common.MATMUL_SIDE, common.MATMUL_SIDE), (0, 0))
    return common.best_gflops(lambda: tf.matmul(matrix, matrix).numpy())


def _operation_flop(operation):
    """Floating-point operations of one node of a graph, a multiply and an add as two; convolutions and matrix products
    only.
    """
    out = operation.outputs[0].shape if operation.outputs else None
    if operation.type == "Conv2D":
        return 2 * np.prod(operation.inputs[1].shape[:3]) * np.prod(out)
    if operation.type == "Conv2DBackpropInput":  # a transposed convolution
        return 2 * np.prod(operation.inputs[1].shape) * np.prod(operation.inputs[2].shape[:3])
    if operation.type in ("MatMul", "BatchMatMulV2"):
        inner = operation.inputs[0].shape[
            -2 if operation.get_attr("transpose_a" if operation.type == "MatMul" else "adj_x") else -1
        ]
        return 2 * inner * np.prod(out)
    return 0


def forward_gflop(function, *shapes):
    """10^9 floating-point operations of one call of `function` on float32 tensors of these shapes."""
    graph = tf.function(function).get_concrete_function(*(tf.TensorSpec(shape, tf.float32) for shape in shapes)).graph
    return float(sum(_operation_flop(operation) for operation in graph.get_operations())) / 1e9
