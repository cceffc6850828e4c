"""What stays of a component's section when another component is named in it."""

from __future__ import annotations

from translate.components import Catalogue
from translate.errors import PluginError
from translate.pipeline.merging import Keep
from translate.pipeline.settings import NETWORK_KEYS, TERM_KEYS, DataKeys

GAME_KEYS = {
    "dataset": frozenset(DataKeys.model_fields),
    "loss": TERM_KEYS,
    "generator": NETWORK_KEYS,
    "discriminator": NETWORK_KEYS,
}
"""Keys of a component's section that belong to the game, by kind."""


def keys_that_stay(catalogue: Catalogue) -> Keep:
    """The rule for merging: what the new component also takes from the game stays, what was chosen for the old goes.

    So `losses.adversarial.loss=lsgan` keeps `real`, `fake` and `weight`, and `networks.G.generator=resnet` keeps
    `makes`, but neither keeps a choice such as `smoothing` or `depth`.
    """

    def keep(kind: str, name: str) -> frozenset[str] | None:
        if kind == "name":  # an optimiser
            return frozenset()
        try:
            schema = catalogue.find(kind, name).schema
        except (LookupError, PluginError):
            return None  # it is reported by its name; what else it would take is not known
        specs = frozenset(choice.name for choice in schema.choices if choice.takes_spec)
        return GAME_KEYS.get(kind, frozenset()) | specs | frozenset(schema.expressions)

    return keep
