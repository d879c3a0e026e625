"""What every vectors backend must do."""

from lamina.testing.contracts.vectors.basics import BasicVectors
from lamina.testing.contracts.vectors.lists import ListedVectors
from lamina.testing.contracts.vectors.many import ManyNearestVectors
from lamina.testing.contracts.vectors.model import ModelledVectors


class VectorsContract(BasicVectors, ListedVectors, ManyNearestVectors, ModelledVectors):
    """Define ``backend()``, which gives a new, empty vectors backend of any dimension.

    Where the dimension is fixed, override *dimension*.
    """


__all__ = ["VectorsContract"]
