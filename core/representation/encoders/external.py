"""The user's own vectors as an encoder: whatever another program made of the objects."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.errors import BadInput
from core.progress import Progress
from core.representation.encoder import ROWS, SurveyRows, register_encoder
from core.representation.encoders.external_files import SUFFIXES, file_hash, read_vectors
from core.survey import Survey

NAMED = 10
"""Columns that are named where some are left out, at most."""


@register_encoder("external")
class ExternalEncoder:
    """Rows of a survey -> (B, D): the vectors that a file has for their object_ids.

    An object without a row in the file, or with one that is not finite throughout, is masked. The
    file is not copied into the run; its path and hash are noted. Numbers are taken as they are.
    """

    name: str
    reads = ROWS
    own_options: ClassVar[dict[str, str]] = {
        "path": f"the file ({', '.join(SUFFIXES)})",
        "ids": "a file with the ids in the order of the rows, where the first has none",
        "id_column": "column, dataset or array with the ids (default object_id)",
        "array": "name of the array, or of columns separated by commas (default: the only ones)",
    }

    def __init__(
        self,
        path: str | None = None,
        ids: str | None = None,
        id_column: str = "object_id",
        array: str | None = None,
    ) -> None:
        if not path:
            raise BadInput(
                "The encoder external needs the file of your vectors; name it by `--set"
                " path=FILE`."
            )
        self.path = Path(path).expanduser().resolve()
        self.ids = Path(ids).expanduser().resolve() if ids else None
        self.id_column, self.array = str(id_column), array
        self.notes: list[str] = []
        self._named, self._values, self._left_out = read_vectors(
            self.path, self.ids, self.id_column, array
        )
        self.hash = file_hash(self.path, self.ids)
        self._places: tuple[str, NDArray[np.int64]] = ("", np.zeros(0, np.int64))

    @property
    def origin(self) -> str:
        """The file and its hash, in words."""
        return f"vectors of {self.path.name} ({self.hash})"

    def fit(self, survey: Survey, progress: Progress) -> None:
        """Match the file's ids with the survey's; nothing is learnt.

        Raises
        ------
        BadInput
            None of them is an object of the survey.
        """
        progress(0.0, f"matching {len(self._named):,} ids of {self.path.name}")
        places = self._of(survey)
        matched = int((places >= 0).sum())
        if not matched:
            raise BadInput(
                f"None of the {len(self._named):,} ids in {self.path.name} (such as"
                f" {self._named[0][:60]!r}) is an object of {survey.name} (such as"
                f" {str(survey.object_ids[0])[:60]!r}); name the right file or id_column."
                if self._named
                else f"{self.path.name} has no rows; name another file."
            )
        self.notes = []
        if self._left_out:
            shown = ", ".join(self._left_out[:NAMED])
            more = len(self._left_out) - NAMED
            self.notes.append(
                f"left out of the vectors: {shown}" + (f" and {more:,} more" if more > 0 else "")
            )
        if matched < len(survey):
            self.notes.append(f"{len(survey) - matched:,} objects have no row in the file")
        if matched < len(self._named):
            self.notes.append(f"{len(self._named) - matched:,} rows are of no object here")

    def encode(self, batch: SurveyRows) -> NDArray[np.float32]:
        places = self._of(batch.survey)[batch.rows]
        out = np.full((len(places), self._values.shape[1]), np.nan, np.float32)
        out[places >= 0] = self._values[places[places >= 0]]
        return out

    def _of(self, survey: Survey) -> NDArray[np.int64]:
        """(N,) row of the file for each object, -1 where there is none."""
        key = survey.manifest.content_hash
        if self._places[0] != key:
            found = pd.Index(self._named).get_indexer(pd.Index(survey.object_ids.astype(str)))
            self._places = (key, np.asarray(found, np.int64))
        return self._places[1]

    def save(self, _folder: Path) -> dict[str, Any]:
        options = {"path": str(self.path), "id_column": self.id_column}
        if self.ids is not None:
            options["ids"] = str(self.ids)
        if self.array is not None:
            options["array"] = self.array
        return {"options": options, "hash": self.hash, "weights": self.origin}

    @classmethod
    def load(cls, _folder: Path, settings: Mapping[str, Any]) -> ExternalEncoder:
        encoder = cls(**settings["options"])
        if encoder.hash != settings["hash"]:
            raise BadInput(
                f"{encoder.path} is not the file that was embedded (its hash is {encoder.hash},"
                f" not {settings['hash']}); embed the survey again."
            )
        return encoder


__all__ = ["ExternalEncoder"]
