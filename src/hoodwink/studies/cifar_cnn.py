"""The course's convolutional network on CIFAR-10, with softmax twice and once."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

from hoodwink.models.build import build
from hoodwink.models.shapes import layers, times
from hoodwink.studies.desk import Desk
from hoodwink.studies.draw import curve, name, page, reference
from hoodwink.studies.found import Answer, Figure, Found, Story, Table
from hoodwink.studies.record import Line, Mark, Study
from hoodwink.training.run import history

FLOOR = 0.72


def run(desk: Desk) -> Found:
    # Cross-entropy of logits z: -log(e^z_t / sum_k e^z_k). With a softmax as last layer the network's outputs p are taken for logits, and
    # p lies in [0, 1]: even a sure right answer costs -log(e / (e + 9)) = 1.46, and the gradient is small everywhere.
    recipe = desk.recipe("tensorboard")
    trained = desk.train(recipe, tensorboard=desk["tensorboard"] and find_spec("tensorboard") is not None)
    epochs, result = history(trained), trained.record["result"]
    table = layers(build(recipe.network, recipe.arguments), desk.pictures("test").pictures.shape[1:])
    values = {
        "test accuracy": result["best"]["test_accuracy"],
        "test accuracy, last epoch": result["last"]["test_accuracy"],
        "best epoch": float(result["best_epoch"]),
        "parameters": float(sum(layer.parameters for layer in table)),
    }
    series = {
        "training loss": [epoch.loss for epoch in epochs],
        "validation loss": [epoch.validation_loss for epoch in epochs],
        "training accuracy": [epoch.accuracy for epoch in epochs],
        "validation accuracy": [epoch.validation_accuracy for epoch in epochs],
        "layers": [(layer.kind, times(layer.output), layer.formula, layer.parameters) for layer in table],
    }
    return Found(values, {"seconds of training": result["seconds"]}, series)


def tell(answers: Mapping[str, Answer]) -> Story:
    source, better = answers["source"], answers["better"]
    with page(1, 2) as figure:
        for colour, (line, answer) in enumerate(answers.items()):
            epochs = range(1, len(answer.mean_series("training loss")) + 1)
            curve(figure.panels[0], epochs, answer.series("training loss"), f"{line}: training", colour)
            curve(figure.panels[0], epochs, answer.series("validation loss"), f"{line}: validation", colour, linestyle=":")
            curve(figure.panels[1], epochs, answer.series("training accuracy"), f"{line}: training", colour)
            curve(figure.panels[1], epochs, answer.series("validation accuracy"), f"{line}: validation", colour, linestyle=":")
        reference(figure.panels[1], FLOOR, "floor on the test pictures")
        name(figure.panels[0], "epoch", "cross-entropy")
        name(figure.panels[1], "epoch", "accuracy")
    behind = 100 * (better.mean("test accuracy") - source.mean("test accuracy"))
    return Story(
        findings=[
            (
                f"With logits the test accuracy is {100 * better.mean('test accuracy'):.2f} %, with softmax twice "
                f"{100 * source.mean('test accuracy'):.2f} %: {abs(behind):.1f} points {'lower' if behind > 0 else 'higher'}."
            ),
            (
                f"After the first epoch the validation accuracy is {100 * better.mean_series('validation accuracy')[0]:.1f} % with logits "
                f"and {100 * source.mean_series('validation accuracy')[0]:.1f} % with softmax twice, whose loss cannot fall below 1.46 and "
                f"ends at {source.mean_series('training loss')[-1]:.2f} (logits: {better.mean_series('training loss')[-1]:.2f})."
            ),
            f"The formulas give {better.mean('parameters'):,.0f} parameters; 50,000 or more were asked for.",
        ],
        figures=[Figure("curves", "Mean loss and accuracy by epoch; the band covers the seeds.", figure.png)],
        tables=[Table("The layers, by formula", ("layer", "output", "formula", "parameters"), better.series("layers")[0])],
    )


_SETTINGS = {"recipe": "cifar-cnn", "data": "cifar10", "validation": 10_000, "epochs": 10, "batch": 32, "rate": 0.001, "tensorboard": True}
_QUICK = {"data": "digits-32", "validation": 137, "epochs": 2}
CIFAR_CNN = Study(
    name="cifar-cnn",
    question="What does a softmax too many cost?",
    help=(
        "40,000 training, 10,000 validation and 10,000 test pictures of CIFAR-10, in the order of the files, go through three "
        "convolutions with ReLU and max pooling and two linear layers, trained with Adam in batches of 32, shuffled. (The course asks "
        "validation and test pictures one by one; in evaluation mode the answers are the same, so here they are asked by the thousand.) The "
        "best epoch by validation accuracy is judged once on the test pictures.\n\n"
        "The course puts a softmax behind the last layer and then takes PyTorch's cross-entropy, which applies a softmax itself. The "
        "better line gives logits. Where tensorboard is installed, each training's folder holds its event files: the graph, training loss "
        "and test accuracy by iteration, pictures, the recipe as text, hyper-parameters and the figure of the loss."
    ),
    lines=(
        Line(
            name="source",
            help="Softmax as the last layer and cross-entropy, which applies it again: it learns slower.",
            settings={**_SETTINGS, "softmax": True, "precision": "bfloat16"},
            quick=_QUICK,
            marks=(Mark(measure="parameters", floor=50_000),),
            minutes=4.0,
        ),
        Line(
            name="better",
            help="Logits.",
            settings={**_SETTINGS, "softmax": False, "precision": "bfloat16"},
            quick=_QUICK,
            marks=(Mark(measure="test accuracy", floor=FLOOR), Mark(measure="parameters", floor=50_000)),
            minutes=2.5,
        ),
    ),
    run=run,
    tell=tell,
)
