"""Every study in one row: the command line, the docs and the tests read this."""

from __future__ import annotations

from difflib import get_close_matches

from hoodwink.studies.affine_fit import AFFINE_FIT
from hoodwink.studies.ascend_input import ASCEND_INPUT
from hoodwink.studies.autoencoder import AUTOENCODER
from hoodwink.studies.binary_functions import BINARY_FUNCTIONS
from hoodwink.studies.cifar_cnn import CIFAR_CNN
from hoodwink.studies.cifar_fast import CIFAR_FAST
from hoodwink.studies.conv_shapes import CONV_SHAPES
from hoodwink.studies.dogs_cnn import DOGS_CNN
from hoodwink.studies.dogs_look import DOGS_LOOK
from hoodwink.studies.dogs_mlp import DOGS_MLP
from hoodwink.studies.fgsm_sweep import FGSM_SWEEP
from hoodwink.studies.fool_autoencoder import FOOL_AUTOENCODER
from hoodwink.studies.fool_photo import FOOL_PHOTO
from hoodwink.studies.fool_search import FOOL_SEARCH
from hoodwink.studies.fool_text import FOOL_TEXT
from hoodwink.studies.gan import GAN
from hoodwink.studies.image_search import IMAGE_SEARCH
from hoodwink.studies.masked_gradient import MASKED_GRADIENT
from hoodwink.studies.mnist_nets import MNIST_NETS
from hoodwink.studies.names_batches import NAMES_BATCHES
from hoodwink.studies.names_lstm import NAMES_LSTM
from hoodwink.studies.neuron import NEURON
from hoodwink.studies.noise_attack import NOISE_ATTACK
from hoodwink.studies.record import Study, StudyError
from hoodwink.studies.regularisers import REGULARISERS
from hoodwink.studies.rounding import ROUNDING
from hoodwink.studies.scratch_fooling import SCRATCH_FOOLING
from hoodwink.studies.scratch_hidden import SCRATCH_HIDDEN
from hoodwink.studies.scratch_linear import SCRATCH_LINEAR
from hoodwink.studies.size import SIZE
from hoodwink.studies.text_generator import TEXT_GENERATOR
from hoodwink.studies.transfer import TRANSFER
from hoodwink.studies.tweets_bag import TWEETS_BAG
from hoodwink.studies.tweets_rnn import TWEETS_RNN
from hoodwink.studies.vae import VAE
from hoodwink.studies.words import WORDS

STUDIES: dict[str, Study] = {
    study.name: study
    for study in (
        FOOL_PHOTO,
        MASKED_GRADIENT,
        ROUNDING,
        SCRATCH_FOOLING,
        NOISE_ATTACK,
        FGSM_SWEEP,
        ASCEND_INPUT,
        NEURON,
        AFFINE_FIT,
        SCRATCH_LINEAR,
        SCRATCH_HIDDEN,
        SIZE,
        MNIST_NETS,
        DOGS_LOOK,
        DOGS_MLP,
        DOGS_CNN,
        CIFAR_CNN,
        CIFAR_FAST,
        REGULARISERS,
        TRANSFER,
        BINARY_FUNCTIONS,
        CONV_SHAPES,
        NAMES_LSTM,
        NAMES_BATCHES,
        TWEETS_BAG,
        TWEETS_RNN,
        WORDS,
        TEXT_GENERATOR,
        FOOL_TEXT,
        FOOL_SEARCH,
        AUTOENCODER,
        VAE,
        GAN,
        FOOL_AUTOENCODER,
        IMAGE_SEARCH,
    )
}


def find_study(name: str) -> Study:
    """The study of a name; StudyError names the nearest."""
    if name not in STUDIES:
        near = get_close_matches(name, STUDIES, n=3) or list(STUDIES)
        raise StudyError(f"there is no study {name!r}; the nearest are {', '.join(near)}: hoodwink study list shows all")
    return STUDIES[name]
