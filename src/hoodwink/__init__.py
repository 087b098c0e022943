"""Fools neural networks with real files, and says honestly how easily a network is fooled.

    import hoodwink as hw

    model = hw.load_model("efficientnet-lite0")
    result = hw.fool("cat.png", target="strawberry", model=model)
    result.save("out")
    hw.judge("out/fooled.png", model)

The public names are loaded when they are first used: `import hoodwink` alone does not import torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hoodwink import attacks as attacks
    from hoodwink import studies as studies
    from hoodwink.auditing.attacked import attack as attack
    from hoodwink.auditing.audit import audit as audit
    from hoodwink.auditing.texts import audit_texts as audit_texts
    from hoodwink.evidence.judge import judge as judge
    from hoodwink.evidence.searched import nearest as nearest
    from hoodwink.fooling import fool as fool
    from hoodwink.misleading import fool_search as fool_search
    from hoodwink.models.load import load_model as load_model
    from hoodwink.models.load import wrap as wrap
    from hoodwink.rewording import fool_text as fool_text
    from hoodwink.training.run import train as train

    __version__: str

# Where each public name comes from: a module, and what is taken from it ("" is the module itself).
_PUBLIC = {
    "attack": ("hoodwink.auditing.attacked", "attack"),
    "attacks": ("hoodwink.attacks", ""),
    "audit": ("hoodwink.auditing.audit", "audit"),
    "audit_texts": ("hoodwink.auditing.texts", "audit_texts"),
    "fool": ("hoodwink.fooling", "fool"),
    "fool_search": ("hoodwink.misleading", "fool_search"),
    "fool_text": ("hoodwink.rewording", "fool_text"),
    "judge": ("hoodwink.evidence.judge", "judge"),
    "load_model": ("hoodwink.models.load", "load_model"),
    "nearest": ("hoodwink.evidence.searched", "nearest"),
    "studies": ("hoodwink.studies", ""),
    "train": ("hoodwink.training.run", "train"),
    "wrap": ("hoodwink.models.load", "wrap"),
}

__all__ = [
    "__version__",
    "attack",
    "attacks",
    "audit",
    "audit_texts",
    "fool",
    "fool_search",
    "fool_text",
    "judge",
    "load_model",
    "nearest",
    "studies",
    "train",
    "wrap",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        value: Any = _version()
    elif name in _PUBLIC:
        value = _load(*_PUBLIC[name])
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _load(module: str, name: str) -> Any:
    from importlib import import_module

    found = import_module(module)
    return getattr(found, name) if name else found


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("hoodwink")
    except PackageNotFoundError:  # run from a checkout that was not installed
        return "0+checkout"
