"""The article's own training loop, completed as naively as it is printed: the slow side of `make bench`.

    python benchmarks/start.py --out start.npz
    python benchmarks/article_loop.py --start start.npz

Eager, one operation after the other; two tapes over one pass; VGG19 down to block5_conv1 asked for garment, style
picture and result at every step, whatever layers the losses use; nothing kept from one step to the next. The losses are
written here once more, with the article's Python-int shapes, so that they are also an oracle for ours. Networks and
Adam are those of the package. With --double it is an oracle for torch_loop.py too: in float32 the two frameworks round
differently, and Adam makes whole steps of gradients that are hardly more than rounding.
"""

import json

import common
import keras
import numpy as np
import tensorflow as tf
from tensorflow_facts import tensorflow_gflops

from fashion_style.critic import build_discriminator
from fashion_style.generator import build_generator


def adversarial_loss(real_output, fake_output):
    """Article, section 5: mean(fake) - mean(real)."""
    return tf.reduce_mean(fake_output) - tf.reduce_mean(real_output)


def content_loss(base_features, target_features):
    """Article, section 5: mean squared difference of (B, H, W, C)."""
    return tf.reduce_mean(tf.square(base_features - target_features))


def gram_matrix(features):
    """Article, section 5: (B, H, W, C) -> (B, C, C), divided by H W C, with Python ints from the shape."""
    batch, height, width, channels = features.shape
    flat = tf.reshape(features, (batch, height * width, channels))
    return tf.matmul(flat, flat, transpose_a=True) / (height * width * channels)


def style_loss(base_gram_list, target_gram_list):
    """Article, section 5: sum over layers of the mean squared difference of two Gram matrices."""
    return tf.add_n(
        [tf.reduce_mean(tf.square(base - target)) for base, target in zip(base_gram_list, target_gram_list)]
    )


def build_vgg(start):
    """VGG19 down to block5_conv1: picture in caffe scaling -> {layer: activation} of all layers that any of our losses
    uses.
    """
    vgg = keras.applications.VGG19(include_top=False, weights=None)
    model = keras.Model(vgg.input, {layer: vgg.get_layer(layer).output for layer in common.ALL_LAYERS})
    for layer in model.layers:
        if layer.weights:
            layer.set_weights([start[f"vgg/{layer.name}/kernel"], start[f"vgg/{layer.name}/bias"]])
    model.trainable = False
    return model


def in_default_type(network):
    """A network rebuilt with every layer in Keras' default number type; ours fix float32 for some layers."""
    text = json.dumps(network.get_config())
    return keras.Model.from_config(json.loads(text.replace("float32", keras.config.floatx())))


def adam(rate):
    """Adam as in our training room.

    Its betas are NumPy's numbers because Keras rounds Python's to float32 first, also in float64.
    """
    beta_1, beta_2 = np.float64(common.BETAS)
    return keras.optimizers.Adam(rate, beta_1=beta_1, beta_2=beta_2, epsilon=common.EPSILON)


class ArticleLoop:
    """Both networks, VGG19 and two optimisers, with the weights of a start file.

    Args:
        start: opened .npz file of start.py.
        layers: a value of `common.LAYERS`.
    """

    def __init__(self, start, layers):
        self.layers, self.vgg = layers, build_vgg(start)
        self.generator, self.discriminator = (
            in_default_type(build(start["content"].shape[1])) for build in (build_generator, build_discriminator)
        )
        self.generator.set_weights(common.group(start, "generator"))
        self.discriminator.set_weights(common.group(start, "critic"))
        self.generator_optimizer = adam(
            keras.optimizers.schedules.CosineDecay(common.GENERATOR_RATE, common.RATE_STEPS)
        )
        self.discriminator_optimizer = adam(common.CRITIC_RATE)

    def features(self, picture):
        """{layer: activation} of a picture (B, H, W, 3) in [-1, 1]."""
        return self.vgg(keras.applications.vgg19.preprocess_input((picture + 1.0) * 127.5))

    def perceptual_losses(self, content_images, style_images, generated):
        """(content loss, style loss), all three pictures' features computed anew."""
        content_features, style_features, generated_features = (
            self.features(picture) for picture in (content_images, style_images, generated)
        )
        content = content_loss(generated_features[self.layers["content"]], content_features[self.layers["content"]])
        style = style_loss(
            [gram_matrix(generated_features[layer]) for layer in self.layers["style"]],
            [gram_matrix(style_features[layer]) for layer in self.layers["style"]],
        )
        return content, style

    def train_step(self, content_images, style_images, real_images):
        """The article's `train_step`, the part that it leaves out included: {loss term: scalar tensor}.

        `real_images`: the style pictures, mirrored as in our step.
        """
        weights = common.LOSS_WEIGHTS
        with tf.GradientTape() as generator_tape, tf.GradientTape() as discriminator_tape:
            generated = self.generator([content_images, style_images], training=True)
            real_output = self.discriminator(real_images, training=True)
            fake_output = self.discriminator(generated, training=True)
            adversarial = -tf.reduce_mean(fake_output)
            content, style = self.perceptual_losses(content_images, style_images, generated)
            total = weights["adversarial"] * adversarial + weights["content"] * content + weights["style"] * style
            critic_loss = adversarial_loss(real_output, fake_output)
        generator_gradients = generator_tape.gradient(total, self.generator.trainable_variables)
        discriminator_gradients = discriminator_tape.gradient(critic_loss, self.discriminator.trainable_variables)
        self.generator_optimizer.apply_gradients(zip(generator_gradients, self.generator.trainable_variables))
        self.discriminator_optimizer.apply_gradients(
            zip(discriminator_gradients, self.discriminator.trainable_variables)
        )
        return dict(total=total, adversarial=adversarial, content=content, style=style, critic_loss=critic_loss)


def main():
    options = common.loop_parser(__doc__)
    options.add_argument(
        "--traced", action="store_true", help="the same step as one tf.function: what tracing alone brings"
    )
    options.add_argument(
        "--double", action="store_true", help="compute in float64, to tell rounding from a difference of the method"
    )
    chosen = common.parse(options)
    if chosen.double:
        keras.config.set_dtype_policy("float64")
        keras.config.set_floatx("float64")
    start = np.load(chosen.start)
    loop = ArticleLoop(start, common.LAYERS[chosen.layers])
    pictures = [tf.constant(start[name], keras.config.floatx()) for name in ("content", "style", "real")]
    function = tf.function(loop.train_step) if chosen.traced else loop.train_step
    row, losses = common.measure_steps(
        lambda: {name: float(value) for name, value in function(*pictures).items()}, chosen.steps, chosen.warm_up
    )
    if chosen.save:
        common.save_outcome(chosen.save, losses, loop.generator.get_weights(), loop.discriminator.get_weights())
    common.report(
        **row,
        batch=len(start["content"]),
        size=start["content"].shape[1],
        matmul_gflops=tensorflow_gflops(),
        versions=common.versions("tensorflow", "keras", "numpy"),
    )


if __name__ == "__main__":
    main()
