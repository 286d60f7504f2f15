"""Training as the BMIS authors do it: the other side of ``training_rate.py``, kept plain.

Written from the published description: the network with a sigmoid inside, in float32 and
contiguous memory; one image at a time through PIL; a data loader; Adam. Names of the layers are
those of the authors' checkpoint.
"""

import random
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from bmis.data.cases import Case

SIZE = (224, 224)
BATCH = 6


class Down(nn.Module):
    """Strided convolution beside a max-pool."""

    def __init__(self, i: int, o: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(i, o - i, 3, stride=2, padding=1)
        self.pool = nn.MaxPool2d(2, stride=2)
        self.bn = nn.BatchNorm2d(o, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(torch.cat([self.conv(x), self.pool(x)], 1)))


class Eca(nn.Module):
    """Efficient channel attention, by a 1-D convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.conv = nn.Conv1d(1, 1, 5, padding=2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(self.pool(x).squeeze(-1).transpose(-1, -2)).transpose(-1, -2).unsqueeze(-1)
        return x * y.sigmoid().expand_as(x)  # type: ignore[no-any-return]


class Block(nn.Module):
    """Asymmetric convolutions with a residual."""

    def __init__(self, c: int, dropout: float, d: int) -> None:
        super().__init__()
        self.conv3x1_1 = nn.Conv2d(c, c, (3, 1), padding=(1, 0))
        self.conv1x3_1 = nn.Conv2d(c, c, (1, 3), padding=(0, 1))
        self.bn1 = nn.BatchNorm2d(c, eps=1e-3)
        self.conv3x1_2 = nn.Conv2d(c, c, (3, 1), padding=(d, 0), dilation=(d, 1))
        self.conv1x3_2 = nn.Conv2d(c, c, (1, 3), padding=(0, d), dilation=(1, d))
        self.bn2 = nn.BatchNorm2d(c, eps=1e-3)
        self.dropout = nn.Dropout2d(dropout)
        self.eca = Eca()

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1x3_1(F.relu(self.conv3x1_1(x)))))
        y = self.bn2(self.conv1x3_2(F.relu(self.conv3x1_2(y))))
        if self.dropout.p:
            y = self.dropout(y)
        return F.relu(self.eca(y) + x)


class Spatial(nn.Module):
    """Every position looks at every other."""

    def __init__(self, c: int) -> None:
        super().__init__()
        h = c // 2
        self.query = nn.Sequential(
            nn.Conv2d(c, h, (1, 3), padding=(0, 1)), nn.BatchNorm2d(h), nn.ReLU()
        )
        self.key = nn.Sequential(
            nn.Conv2d(c, h, (3, 1), padding=(1, 0)), nn.BatchNorm2d(h), nn.ReLU()
        )
        self.value = nn.Conv2d(c, c, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        query = self.query(x).flatten(2).permute(0, 2, 1)
        affinity = torch.bmm(query, self.key(x).flatten(2)).softmax(-1)
        seen = torch.bmm(self.value(x).flatten(2), affinity.permute(0, 2, 1))
        return self.gamma * seen.view_as(x) + x


class Channel(nn.Module):
    """Every channel looks at those unlike it."""

    def __init__(self) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(2)
        affinity = torch.bmm(flat, flat.permute(0, 2, 1))
        unlike = affinity.max(-1, keepdim=True)[0].expand_as(affinity) - affinity
        return self.gamma * torch.bmm(unlike.softmax(-1), flat).view_as(x) + x


class Attention(nn.Module):
    """Both attentions, summed."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.sab, self.cab = Spatial(c), Channel()

    def forward(self, x: Tensor) -> Tensor:
        return self.sab(x) + self.cab(x)  # type: ignore[no-any-return]


class Up(nn.Module):
    """Transposed convolution."""

    def __init__(self, i: int, o: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(i, o, 3, stride=2, padding=1, output_padding=1)
        self.bn = nn.BatchNorm2d(o, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


class Network(nn.Module):
    """Images (N, C, H, W) -> probabilities (N, K, H, W)."""

    def __init__(self, channels: int = 3, classes: int = 2) -> None:
        super().__init__()
        self.initial_block, self.down_1, self.down_2 = (
            Down(channels, 16),
            Down(16, 64),
            Down(64, 96),
        )
        for k in range(1, 6):
            self.add_module(f"encoder_1_{k}", Block(64, 0.03, 1))
        for k in range(1, 5):
            self.add_module(f"encoder_2_{k}", Block(96, 0.3, k + 1))
        self.affinity_attention = Attention(96)
        self.up_1, self.decoder_1_1 = Up(96, 64), Block(64, 0.0, 1)
        self.up_2, self.decoder_2_1 = Up(64, 16), Block(16, 0.0, 1)
        self.output_conv = nn.ConvTranspose2d(16, classes, 2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.down_1(self.initial_block(x))
        for k in range(1, 6):
            x = self.get_submodule(f"encoder_1_{k}")(x)
        x = self.down_2(x)
        for k in range(1, 5):
            x = self.get_submodule(f"encoder_2_{k}")(x)
        x = x + self.affinity_attention(x)
        x = self.decoder_2_1(self.up_2(self.decoder_1_1(self.up_1(x))))
        return self.output_conv(x).sigmoid()  # type: ignore[no-any-return]


class Images(Dataset[tuple[Tensor, Tensor]]):
    """Reads, resizes, flips and turns one image at a time."""

    def __init__(self, cases: Sequence[Case], channels: int) -> None:
        self.cases, self.mode = cases, "L" if channels == 1 else "RGB"

    def __len__(self) -> int:
        return len(self.cases)

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        case = self.cases[number]
        size = SIZE[::-1]
        with Image.open(case.image) as file:
            image = file.convert(self.mode).resize(size, Image.Resampling.BILINEAR)
        with Image.open(case.masks[0]) as file:
            mask = file.convert("L").resize(size, Image.Resampling.NEAREST)
        for flip in (Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.FLIP_TOP_BOTTOM):
            if random.random() < 0.5:
                image, mask = image.transpose(flip), mask.transpose(flip)
        angle = random.uniform(-30, 30)
        image, mask = image.rotate(angle), mask.rotate(angle)
        pixels = np.asarray(image, np.float32).reshape(*SIZE, -1).transpose(2, 0, 1) / 255
        return (
            torch.from_numpy((pixels - 0.5) / 0.5),
            torch.from_numpy((np.asarray(mask) > 0).astype(np.int64)),
        )


def loss_of(p: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy that takes sigmoid outputs for logits, minus soft Dice."""
    targets = F.one_hot(labels, p.shape[1]).permute(0, 3, 1, 2).float()
    overlap = (p * targets).sum((2, 3))
    dice = (2 * overlap + 1) / (p.sum((2, 3)) + targets.sum((2, 3)) + 1)
    return F.cross_entropy(p, labels) - dice.mean()


class Training:
    """The authors' loop; one call is one pass over the images."""

    def __init__(
        self, cases: Sequence[Case], channels: int, device: torch.device, workers: int
    ) -> None:
        self.device = device
        self.network = Network(channels).to(device).train()
        self.optimizer = torch.optim.Adam(self.network.parameters(), 1e-4, weight_decay=1e-8)
        self.loader = DataLoader(
            Images(cases, channels), BATCH, shuffle=True, drop_last=True, num_workers=workers
        )

    def __call__(self) -> int:
        """Train on all images once; how many they were."""
        images = 0
        for pixels, labels in self.loader:
            loss = loss_of(self.network(pixels.to(self.device)), labels.to(self.device))
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            images += len(pixels)
        return images
