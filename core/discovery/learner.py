"""modAL's active learner, made to work with the scikit-learn of today."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from modAL.models import ActiveLearner
from modAL.utils.data import data_vstack, retrieve_rows
from sklearn.utils import check_X_y

from core.discovery.pool import Draw, Pool
from core.discovery.registry import Sampler
from core.discovery.threads import in_threads, one_blas_thread

if TYPE_CHECKING:
    from core.discovery.wide import Wide

_ONE_CHUNK = 16_384
_CHUNK = 8_192


class Learner(ActiveLearner):
    """modAL 0.4.2.1's ActiveLearner for scikit-learn >= 1.8.

    modAL checks new data with `check_X_y(force_all_finite=)`, a keyword that scikit-learn
    renamed to `ensure_all_finite` and then removed; the three places that do so are overridden.
    So is `query`, whose own asks a second time after whatever went wrong, an interrupt too.
    A test fails when modAL works unpatched or breaks otherwise.

    Give it arrays: X (n, D) float32, y (n,) int. Never clone it (modAL keeps `**fit_kwargs`
    that scikit-learn's clone cannot see).
    """

    X_training: Any  # (n, D) and (n,), None before the first lesson
    y_training: Any
    weights: Any = None  # (n,) beside them, as told by the last lesson; None where all weigh 1

    def __repr__(self) -> str:
        # BaseEstimator's walks the parameters, the training data among them.
        return f"Learner({type(self.estimator).__name__})"

    def _check(self, X: np.ndarray, y: np.ndarray) -> None:
        check_X_y(
            X,
            y,
            accept_sparse=True,
            ensure_2d=False,
            allow_nd=True,
            multi_output=True,
            dtype=None,
            ensure_all_finite=self.force_all_finite,
        )

    def _add_training_data(self, X: np.ndarray, y: np.ndarray) -> None:
        self._check(X, y)
        if self.X_training is None:
            self.X_training, self.y_training = X, y
        else:
            self.X_training = data_vstack((self.X_training, X))
            self.y_training = data_vstack((self.y_training, y))

    def fit(
        self, X: np.ndarray, y: np.ndarray, bootstrap: bool = False, **fit_kwargs: Any
    ) -> Learner:
        """Forget what was taught and train on (X, y); `fit_kwargs` as of `teach`."""
        self.weights = fit_kwargs.get("sample_weight")
        self._check(X, y)
        self.X_training, self.y_training = X, y
        self._fit_to_known(bootstrap=bootstrap, **fit_kwargs)
        return self

    def teach(
        self,
        X: np.ndarray,
        y: np.ndarray,
        bootstrap: bool = False,
        only_new: bool = False,
        **fit_kwargs: Any,
    ) -> None:
        """Add (X, y) to what is known and train on all of it (or on these only).

        `fit_kwargs` go to the estimator; `sample_weight` is kept as `weights`.
        """
        self.weights = fit_kwargs.get("sample_weight")
        if only_new:
            self._check(X, y)
            self._fit_on_new(X, y, bootstrap=bootstrap, **fit_kwargs)
        else:
            self._add_training_data(X, y)
            self._fit_to_known(bootstrap=bootstrap, **fit_kwargs)

    def query(
        self, X_pool: Any, *query_args: Any, return_metrics: bool = False, **query_kwargs: Any
    ) -> Any:
        """(rows, their values), and what the strategy says of them if `return_metrics`.

        The query strategy, which gives a pair, is asked once; what it raises goes on.
        """
        rows, metrics = self.query_strategy(self, X_pool, *query_args, **query_kwargs)
        values = retrieve_rows(X_pool, rows)
        return (rows, values, metrics) if return_metrics else (rows, values)

    def _fit_to_known(self, bootstrap: bool = False, **fit_kwargs: Any) -> Any:
        with one_blas_thread():
            return super()._fit_to_known(bootstrap=bootstrap, **fit_kwargs)

    def _fit_on_new(
        self, X: np.ndarray, y: np.ndarray, bootstrap: bool = False, **fit_kwargs: Any
    ) -> Any:
        with one_blas_thread():
            return super()._fit_on_new(X, y, bootstrap=bootstrap, **fit_kwargs)

    def class_probabilities(self, values: np.ndarray | Wide, n_classes: int) -> np.ndarray:
        """(N, n_classes) float32: P(class) of every row; 0 for a class not taught yet.

        values: (N, D) float32, read in chunks so that no copy of it is made, by all cores.
        """
        probabilities = np.zeros((len(values), n_classes), dtype=np.float32)
        columns = np.asarray(self.estimator.classes_, dtype=np.intp)

        def predict(part: slice) -> None:
            probabilities[part, columns] = self.predict_proba(values[part])

        size = _CHUNK if len(values) > _ONE_CHUNK else _ONE_CHUNK
        in_threads(predict, [slice(s, s + size) for s in range(0, len(values), size)])
        return probabilities


def draw_from_pool(
    learner: Learner,  # noqa: ARG001 (modAL's signature; samplers have it as pool.learner)
    values: np.ndarray,  # noqa: ARG001
    *,
    pool: Pool,
    sampler: Sampler,
    n_instances: int,
) -> tuple[np.ndarray, Draw]:
    """The one adapter that makes a sampler a query strategy of modAL.

    It always returns the pair (rows, draw), which `query` unpacks.
    """
    draw = sampler(pool, n_instances)
    return draw.rows, draw


def ask(learner: Learner, pool: Pool, sampler: Sampler, n: int) -> Draw:
    """Draw up to `n` rows with `sampler` through modAL's `query`."""
    _rows, _values, draw = learner.query(
        pool.embedding, return_metrics=True, pool=pool, sampler=sampler, n_instances=n
    )
    return draw
