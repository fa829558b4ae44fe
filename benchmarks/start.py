"""Write what all loops start from: drawn garments and patterns, fresh weights of both networks, VGG19's weights.

    python benchmarks/start.py --out start.npz --size 256 --batch 2

Without VGG19's real weights (--vgg-weights, FASHION_STYLE_VGG19 or Keras' cache) random ones are drawn: as fast, but
the losses mean nothing. `<out>.h5` beside the file holds VGG19's weights in the layout that `load_extractor` reads.
"""

import common
import h5py
import numpy as np

from fashion_style.features import find_vgg19_weights, layer_shapes, read_vgg19_weights
from fashion_style.garments import GARMENT_KINDS, draw_garment
from fashion_style.patterns import PATTERN_FAMILIES, draw_pattern
from fashion_style.runs.networks import build_networks
from fashion_style.settings import TrainingSettings


def draw_pictures(size, batch, seed):
    """Arrays (batch, size, size, 3) in [-1, 1] of garments and styles; the styles mirrored are the critic's real
    pictures, as in our step.
    """
    content = [
        draw_garment(GARMENT_KINDS[index % len(GARMENT_KINDS)], size, seed + index).picture for index in range(batch)
    ]
    style = [
        draw_pattern(PATTERN_FAMILIES[index % len(PATTERN_FAMILIES)], size, seed + index) for index in range(batch)
    ]
    content, style = np.stack(content).astype("float32"), np.stack(style).astype("float32")
    return dict(content=content, style=style, real=np.ascontiguousarray(style[:, :, ::-1]))


def random_vgg19(layers, seed):
    """{layer: [kernel, bias]} that keep the size of activations (He et al. 2015)."""
    rng, arrays = np.random.default_rng(seed), {}
    for layer in layers:
        shape = layer_shapes("vgg19")[layer]
        kernel = rng.standard_normal(shape).astype("float32") * np.sqrt(2.0 / np.prod(shape[:3]))
        arrays[layer] = [kernel.astype("float32"), np.zeros(shape[-1], "float32")]
    return arrays


def vgg19_arrays(path, seed):
    """({layer: [kernel, bias]} down to block5_conv1, True if they are the real ones)."""
    order = list(layer_shapes("vgg19"))
    layers = order[: order.index("block5_conv1") + 1]
    source = path or find_vgg19_weights()
    return (read_vgg19_weights(source, layers), True) if source else (random_vgg19(layers, seed), False)


def write_vgg19(path, arrays):
    """The arrays as an h5 file that `read_vgg19_weights` understands."""
    with h5py.File(path, "w") as file:
        for layer, pair in arrays.items():
            for name, array in zip(("kernel", "bias"), pair, strict=True):
                file.create_dataset(f"{layer}/{name}", data=array)


def main():
    options = common.parser(__doc__)
    options.add_argument("--out", required=True, help="the .npz file to write")
    options.add_argument("--size", type=int, default=256, help="side of the pictures in px (default: %(default)s)")
    options.add_argument("--batch", type=int, default=2, help="pairs (default: %(default)s)")
    options.add_argument("--seed", type=int, default=0, help="of pictures and weights (default: %(default)s)")
    options.add_argument("--vgg-weights", help="VGG19 weights file of Keras")
    options.add_argument("--quick", action="store_true", help="pictures of 64 px")
    chosen = common.parse(options)
    networks = build_networks(TrainingSettings(generator="article", critic="article", seed=chosen.seed))
    vgg, real = vgg19_arrays(chosen.vgg_weights, chosen.seed)
    arrays = draw_pictures(64 if chosen.quick else chosen.size, chosen.batch, chosen.seed)
    for name, network in zip(("generator", "critic"), networks, strict=True):
        arrays.update(common.numbered(name, network.get_weights()))
    for layer, (kernel, bias) in vgg.items():
        arrays.update({f"vgg/{layer}/kernel": kernel, f"vgg/{layer}/bias": bias})
    np.savez(chosen.out, **arrays)
    write_vgg19(f"{chosen.out}.h5", vgg)
    common.report(vgg19="ImageNet" if real else "random", **common.versions("tensorflow", "keras", "numpy"))


if __name__ == "__main__":
    main()
