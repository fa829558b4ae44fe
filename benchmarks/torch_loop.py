"""The same step in PyTorch, written as its users write it: same networks, weights, losses, Adam and pictures, targets
kept.

    python -m venv .venv-torch && .venv-torch/bin/pip install torch==2.13.0 numpy
    python benchmarks/start.py --out start.npz
    .venv-torch/bin/python benchmarks/torch_loop.py --start start.npz

Needs torch and numpy only, so it can live in an environment of its own, or with the extra `bench` of the package. A CPU
build is enough.

Keras' "same" pads a stride-2 convolution with 3 x 3 cells at the bottom and right, PyTorch's padding=1 uses only the
top and left: the same network seen upside down. So generator and VGG19 work here on pictures and kernels turned by 180
degrees when they are loaded, and no step pays for a padding that PyTorch lacks. The critic sees the picture turned
back.
"""

import math

import common
import numpy as np
import torch
from torch import nn
from torch.nn import functional


def torch_epsilon(step):
    """The epsilon with which PyTorch's Adam makes its update number `step` (1, 2 ...) as Keras' does with
    `common.EPSILON`.

    With moments m and v, correction c = sqrt(1 - beta_2^step) and r = rate / (1 - beta_1^step), Keras takes r c m /
    (sqrt(v) + epsilon), PyTorch r m / (sqrt(v) / c + epsilon). The two are one algorithm when PyTorch's epsilon is
    Keras' over c, which falls from step to step.
    """
    return common.EPSILON / math.sqrt(1.0 - common.BETAS[1] ** step)


# Networks -------------------------------------------------------------------------------------------------------------
class Encoder(nn.Sequential):
    """Three convolutions of the article's section 5."""

    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 64, 3, padding=1),
            nn.ReLU(True),
            nn.Conv2d(64, 128, 3, 2, 1),
            nn.ReLU(True),
            nn.Conv2d(128, 256, 3, 2, 1),
            nn.ReLU(True),
        )


class Generator(nn.Module):
    """The article's generator: two encoders, joined, and a decoder of transposed convolutions."""

    def __init__(self):
        super().__init__()
        self.content, self.style = Encoder(), Encoder()
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(512, 256, 3, padding=1),
            nn.ReLU(True),
            nn.ConvTranspose2d(256, 128, 3, 2, 1, 1),
            nn.ReLU(True),
            nn.ConvTranspose2d(128, 64, 3, 2, 1, 1),
            nn.ReLU(True),
            nn.Conv2d(64, 3, 3, padding=1),
            nn.Tanh(),
        )

    def forward(self, content, style):
        return self.decoder(torch.cat([self.content(content), self.style(style)], dim=1))

    def in_keras_order(self):
        """Layers in the order in which Keras lists its weights: both encoders in turn, then the decoder."""
        pairs = zip(kernels_of(self.content), kernels_of(self.style))
        return [layer for pair in pairs for layer in pair] + kernels_of(self.decoder)


class Critic(nn.Sequential):
    """The article's critic. The uneven padding of its 4 x 4 convolutions with stride 1 is Keras'."""

    def __init__(self):
        layers, channels = [], (3, 64, 128, 256)
        for incoming, outgoing in zip(channels, channels[1:]):
            layers += [nn.Conv2d(incoming, outgoing, 4, 2, 1), nn.LeakyReLU(0.2, True)]
        even = nn.ZeroPad2d((1, 2, 1, 2))
        super().__init__(*layers, even, nn.Conv2d(256, 512, 4), nn.LeakyReLU(0.2, True), even, nn.Conv2d(512, 1, 4))

    def in_keras_order(self):
        """Layers in the order in which Keras lists its weights."""
        return kernels_of(self)


class Features(nn.Module):
    """Frozen VGG19 down to the deepest of the layers asked for: picture in [-1, 1] -> {layer: activation}."""

    def __init__(self, start, layers):
        super().__init__()
        names = [key.split("/")[1] for key in start.files if key.startswith("vgg/") and key.endswith("/kernel")]
        self.wanted, self.names = set(layers), names[: max(names.index(layer) for layer in layers) + 1]
        self.convolutions = nn.ModuleList()
        for name in self.names:
            kernel = start[f"vgg/{name}/kernel"]
            self.convolutions.append(nn.Conv2d(kernel.shape[2], kernel.shape[3], 3, padding=1))
            load_layer(self.convolutions[-1], kernel, start[f"vgg/{name}/bias"], turned=True)
        self.register_buffer("mean", torch.tensor([103.939, 116.779, 123.68], dtype=torch.float64).view(1, 3, 1, 1))
        self.requires_grad_(False)

    def forward(self, picture):
        signal, activations = (picture.flip(1) + 1.0) * 127.5 - self.mean, {}
        for name, convolution in zip(self.names, self.convolutions):
            if name.endswith("conv1") and name != "block1_conv1":
                signal = functional.max_pool2d(signal, 2)
            signal = functional.relu(convolution(signal))
            if name in self.wanted:
                activations[name] = signal
        return activations


# Weights to and from Keras' layout ------------------------------------------------------------------------------------
def kernels_of(module):
    """Convolutions of a sequence, plain and transposed, in order."""
    return [layer for layer in module if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d))]


@torch.no_grad()
def load_layer(layer, kernel, bias, turned):
    """Keras' kernel (rows, columns, in, out), transposed ones (rows, columns, out, in), into a PyTorch layer."""
    kernel = kernel[::-1, ::-1] if turned else kernel
    layer.weight.copy_(torch.from_numpy(np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))))
    layer.bias.copy_(torch.from_numpy(bias))


def load_network(network, arrays, turned):
    """Give a network the weights [kernel, bias, kernel, bias ...] of its Keras twin."""
    for layer, kernel, bias in zip(network.in_keras_order(), arrays[::2], arrays[1::2], strict=True):
        load_layer(layer, kernel, bias, turned)


def keras_weights(network, turned):
    """The inverse of `load_network`."""
    arrays = []
    for layer in network.in_keras_order():
        kernel = layer.weight.detach().numpy().transpose(2, 3, 1, 0)
        arrays += [kernel[::-1, ::-1] if turned else kernel, layer.bias.detach().numpy()]
    return arrays


# One step -------------------------------------------------------------------------------------------------------------
def gram_matrix(features):
    """(B, C, H, W) -> (B, C, C), divided by H W C."""
    batch, channels, height, width = features.shape
    flat = features.reshape(batch, channels, height * width)
    return flat @ flat.transpose(1, 2) / (height * width * channels)


class TorchLoop:
    """Both networks, VGG19 and two optimisers, with the weights of a start file.

    Call `keep_targets` before the first step.

    Args:
        start: opened .npz file of start.py.
        layers: a value of `common.LAYERS`.
        memory: "channels_last" or "contiguous", how the pictures and kernels lie in memory.
        compiled: run the three networks through `torch.compile`.
        number_type: of weights, pictures and arithmetic.
    """

    def __init__(self, start, layers, memory, compiled=False, number_type=torch.float32):
        memory_format = {"channels_last": torch.channels_last, "contiguous": torch.contiguous_format}[memory]
        self.steps, self.layers, self.generator, self.critic = 0, layers, Generator(), Critic()
        load_network(self.generator, common.group(start, "generator"), turned=True)
        load_network(self.critic, common.group(start, "critic"), turned=False)
        networks = [self.generator, self.critic, Features(start, (*layers["style"], layers["content"]))]
        networks = [network.to(number_type, memory_format=memory_format) for network in networks]
        self.paint, self.judge, self.features = (
            [torch.compile(network) for network in networks] if compiled else networks
        )
        pictures = [
            torch.from_numpy(start[name]).to(number_type).permute(0, 3, 1, 2) for name in ("content", "style", "real")
        ]
        self.content, self.style = (
            picture.flip(2, 3).contiguous(memory_format=memory_format) for picture in pictures[:2]
        )
        self.real = pictures[2].contiguous(memory_format=memory_format)
        self.generator_optimizer = torch.optim.Adam(
            self.generator.parameters(), common.GENERATOR_RATE, common.BETAS, fused=True
        )
        self.critic_optimizer = torch.optim.Adam(self.critic.parameters(), common.CRITIC_RATE, common.BETAS, fused=True)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.generator_optimizer, lambda step: 0.5 * (1.0 + math.cos(math.pi * step / common.RATE_STEPS))
        )

    @torch.no_grad()
    def keep_targets(self):
        """Compute what content and style loss aim at, once for all steps."""
        self.content_target = self.features(self.content)[self.layers["content"]]
        styled = self.features(self.style)
        self.style_targets = [gram_matrix(styled[layer]) for layer in self.layers["style"]]

    def losses(self):
        """Forward pass: {loss term: scalar tensor}."""
        generated = self.paint(self.content, self.style)
        real_output, fake_output = self.judge(self.real), self.judge(generated.flip(2, 3))
        features = self.features(generated)
        content = functional.mse_loss(features[self.layers["content"]], self.content_target)
        style = sum(
            functional.mse_loss(gram_matrix(features[layer]), target)
            for layer, target in zip(self.layers["style"], self.style_targets)
        )
        terms = dict(adversarial=-fake_output.mean(), content=content, style=style)
        total = sum(common.LOSS_WEIGHTS[name] * term for name, term in terms.items())
        return dict(terms, total=total, critic_loss=fake_output.mean() - real_output.mean())

    def update(self):
        """One step of both optimisers with the gradients that lie in the parameters."""
        self.steps += 1
        for optimizer in (self.generator_optimizer, self.critic_optimizer):
            optimizer.param_groups[0]["eps"] = torch_epsilon(self.steps)
            optimizer.step()
        self.schedule.step()

    def train_step(self):
        """One update of both networks from one forward pass; returns {loss term: float}."""
        self.generator_optimizer.zero_grad()
        self.critic_optimizer.zero_grad()
        losses = self.losses()
        losses["critic_loss"].backward(inputs=list(self.critic.parameters()), retain_graph=True)
        losses["total"].backward(inputs=list(self.generator.parameters()))
        self.update()
        return {name: value.item() for name, value in losses.items()}


def main():
    options = common.loop_parser(__doc__)
    options.add_argument(
        "--memory",
        choices=("channels_last", "contiguous"),
        default="channels_last",
        help="memory format (default: %(default)s)",
    )
    options.add_argument(
        "--compile", action="store_true", help="run the networks through torch.compile (needs a C++ compiler)"
    )
    options.add_argument(
        "--double", action="store_true", help="compute in float64, to tell rounding from a difference of the method"
    )
    chosen = common.parse(options)
    torch.set_flush_denormal(True)  # as TensorFlow's threads do
    start = np.load(chosen.start)
    loop = TorchLoop(
        start,
        common.LAYERS[chosen.layers],
        chosen.memory,
        chosen.compile,
        torch.float64 if chosen.double else torch.float32,
    )
    base = common.peak_memory_mib()
    loop.keep_targets()
    row, losses = common.measure_steps(loop.train_step, chosen.steps, chosen.warm_up, base)
    if chosen.save:
        common.save_outcome(chosen.save, losses, keras_weights(loop.generator, True), keras_weights(loop.critic, False))
    matrix = torch.rand(common.MATMUL_SIDE, common.MATMUL_SIDE)
    common.report(
        **row,
        batch=len(start["content"]),
        size=start["content"].shape[1],
        matmul_gflops=common.best_gflops(lambda: matrix @ matrix),
        versions=common.versions("torch", "numpy"),
    )


if __name__ == "__main__":
    main()
