"""Models as their papers describe them, each on a page, under the parameter names of their usual checkpoints."""

from __future__ import annotations

from dlcore.models.autoencoder import VAE, Autoencoder
from dlcore.models.bert import BERT
from dlcore.models.char_lstm import CharLSTM
from dlcore.models.dcgan import Discriminator, Generator
from dlcore.models.gpt import GPT
from dlcore.models.lenet import LeNet
from dlcore.models.mlp import MLP
from dlcore.models.mobilenet import MobileNetV2, mobilenet_v2
from dlcore.models.resnet import ResNet, resnet18, resnet34, resnet50
from dlcore.models.unet import UNet
from dlcore.models.vgg import VGG, vgg11, vgg13, vgg16, vgg19
from dlcore.models.vit import ViT, vit_b_16

__all__ = [
    "BERT",
    "GPT",
    "MLP",
    "VAE",
    "VGG",
    "Autoencoder",
    "CharLSTM",
    "Discriminator",
    "Generator",
    "LeNet",
    "MobileNetV2",
    "ResNet",
    "UNet",
    "ViT",
    "mobilenet_v2",
    "resnet18",
    "resnet34",
    "resnet50",
    "vgg11",
    "vgg13",
    "vgg16",
    "vgg19",
    "vit_b_16",
]
