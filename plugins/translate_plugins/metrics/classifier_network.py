"""The small convolutional classifier that judges generated pictures, and its training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from translate.errors import ComponentError

FEATURES: Final = 64
SMALLEST: Final = 12  # pixels: halved, without a border of two pixels, and halved again, one is left
_LARGEST_MAP: Final = 7


class SmallClassifier(nn.Module):
    """conv16k5 - pool - conv32k5 - pool - fc64 - fc, for images of about 28 pixels; larger ones are pooled further.

    Only the first convolution is padded; pooling takes the largest of 2 x 2 and goes on until at most 7 x 7 are left.
    The weights are drawn from a generator of their own as torch does it, uniform within 1 / sqrt(inputs).

    Args:
        channels: Of the images.
        height: Of the images, at least 12.
        width: Of the images, at least 12.
        classes: Number of classes.
        seed: Seed of the weights.
    """

    def __init__(self, channels: int, height: int, width: int, classes: int, *, seed: int) -> None:
        super().__init__()
        self.shape = (channels, height, width)
        sides = [(side // 2 - 4) // 2 for side in (height, width)]
        pools = 2
        while max(sides) > _LARGEST_MAP:
            sides = [max(1, side // 2) for side in sides]
            pools += 1
        self._more_pools = pools - 2
        with torch.device("meta"):  # torch's own start would take numbers from the global generator
            self.conv1 = nn.Conv2d(channels, 16, 5, padding=2)
            self.conv2 = nn.Conv2d(16, 32, 5)
            self.fc1 = nn.Linear(32 * sides[0] * sides[1], FEATURES)
            self.fc2 = nn.Linear(FEATURES, classes)
        self.to_empty(device="cpu")
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for layer in (self.conv1, self.conv2, self.fc1, self.fc2):
                limit = layer.weight[0].numel() ** -0.5
                for parameter in layer.parameters():
                    parameter.uniform_(-limit, limit, generator=generator)

    def features(self, images: Tensor) -> Tensor:
        """What the last hidden layer gives; N x 64.

        Args:
            images: N x C x H x W in [0, 1].
        """
        x = F.max_pool2d(F.relu(self.conv1(images)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        for _ in range(self._more_pools):
            x = F.max_pool2d(x, [min(2, side) for side in x.shape[2:]])
        return F.relu(self.fc1(x.flatten(1)))

    def forward(self, features: Tensor) -> Tensor:
        """Logits of features; N x classes."""
        logits: Tensor = self.fc2(features)
        return logits


def train_classifier(
    images: Tensor, labels: Tensor, device: torch.device, *, epochs: int, batch_size: int, lr: float, seed: int
) -> SmallClassifier:
    """Train on images and labels with Adam and cross-entropy; the same arguments give the same network.

    Args:
        images: N x C x H x W in uint8.
        labels: N int64, from 0.
        device: Where to train.
        epochs: Passes over the images, each in a random order.
        batch_size: Images of a step.
        lr: Learning rate.
        seed: Of weights and order.

    Raises:
        ComponentError: The images are smaller than 12 pixels.
    """
    channels, height, width = images.shape[1:]
    if min(height, width) < SMALLEST:
        raise ComponentError(
            f"classifier needs images of {SMALLEST}x{SMALLEST} at least (got {height}x{width})",
            fix="use a larger data.image_size, or resize(image, size=28)",
        )
    network = SmallClassifier(channels, height, width, max(2, int(labels.max()) + 1), seed=seed).to(device)
    optimizer = torch.optim.Adam(network.parameters(), lr)
    images, labels = images.to(device), labels.to(device)
    order = torch.Generator().manual_seed(seed)
    with torch.enable_grad(), repeatable():
        for _ in range(epochs):
            for indices in torch.split(torch.randperm(len(images), generator=order).to(device), batch_size):
                batch = images[indices].float() / 255
                loss = F.cross_entropy(network(network.features(batch)), labels[indices])
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
    return network.requires_grad_(requires_grad=False)


@contextmanager
def repeatable() -> Iterator[None]:
    """Convolutions on CUDA take algorithms that give the same bits each time."""
    cudnn = torch.backends.cudnn
    before = (cudnn.deterministic, cudnn.benchmark)
    cudnn.deterministic, cudnn.benchmark = True, False
    try:
        yield
    finally:
        cudnn.deterministic, cudnn.benchmark = before
