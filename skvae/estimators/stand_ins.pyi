"""Stand-ins of scikit-learn's base classes, with the types of what a user calls of them."""

from collections.abc import Callable
from typing import Any, Literal, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

class BaseEstimator:
    """Parameters by name."""

    def get_params(self, deep: bool = True) -> dict[str, Any]: ...
    def set_params(self, **params: Any) -> Self: ...
    def get_metadata_routing(self) -> Any: ...
    def __sklearn_tags__(self) -> Any: ...
    def _validate_params(self) -> None: ...

class CallbackSupportMixin:
    """Callbacks of scikit-learn 1.9."""

    def set_callbacks(self, *callbacks: Any) -> Self: ...
    def _init_callback_context(
        self,
        task_name: str = "fit",
        task_id: int = 0,
        max_subtasks: int | None = 0,
        sequential_subtasks: bool = True,
    ) -> Any: ...

_Method = TypeVar("_Method", bound=Callable[..., Any])

def with_callbacks(method: _Method) -> _Method: ...

class DensityMixin:
    """The tags of a density."""

class ClassifierMixin:
    """Accuracy, and the tags of a classifier."""

    set_score_request: Callable[..., Self]

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float: ...

class OutlierMixin:
    """Predictions for the rows that were fitted."""

    def fit_predict(self, X: Any, y: Any = None, **kwargs: Any) -> NDArray[np.int64]: ...

class TransformerMixin:
    """The transform of the rows that were fitted, in a container of choice."""

    set_inverse_transform_request: Callable[..., Self]

    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> Any: ...
    def set_output(
        self, *, transform: Literal["default", "pandas", "polars"] | None = None
    ) -> Self: ...

class ClassNamePrefixFeaturesOutMixin:
    """Names of columns by the class."""

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]: ...
