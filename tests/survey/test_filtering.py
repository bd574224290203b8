"""Conditions on columns, held against one value at a time in plain Python."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from core.errors import BadInput
from core.survey.filtering import (
    OPERATORS,
    Condition,
    Kind,
    Operator,
    as_condition,
    kind_of,
    matching,
    sort_order,
)

NUMBERS = [3.0, math.nan, -1.5, 3.0, 20.0, 0.0]
WHOLE = [2**60 + 1, None, 2**60, 5, -3, 5]
TRUTHS = [True, None, False, True, True, False]
TEXTS = ["star", None, "Star.", "s.*", "", "quasar"]
COLUMNS = {
    "numbers": pd.Series(NUMBERS),
    "whole": pd.Series(WHOLE, dtype="Int64"),
    "truths": pd.Series(TRUTHS, dtype="boolean"),
    "plain truths": pd.Series([bool(one) for one in TRUTHS]),
    "texts": pd.Series(TEXTS, dtype="str"),
    "classes": pd.Series(pd.Categorical(TEXTS)),
}
VALUES: dict[Operator, list[Any]] = {
    Operator.BETWEEN: [(0.0, 3.0)],
    Operator.ONE_OF: [("star", "quasar", "none")],
    Operator.CONTAINS: [".", "ar"],
    Operator.BEGINS: ["s", "S"],
}


def plainly(value: Any, operator: Operator, given: Any) -> bool:
    """One value at a time, as one would say it."""
    absent = value is None or (isinstance(value, float) and math.isnan(value))
    if operator in (Operator.MISSING, Operator.THERE):
        return absent == (operator is Operator.MISSING)
    if absent:
        return False
    match operator:
        case Operator.IS:
            return bool(value == given)
        case Operator.IS_NOT:
            return bool(value != given)
        case Operator.BELOW:
            return bool(value < given)
        case Operator.AT_MOST:
            return bool(value <= given)
        case Operator.ABOVE:
            return bool(value > given)
        case Operator.AT_LEAST:
            return bool(value >= given)
        case Operator.BETWEEN:
            return bool(given[0] <= value <= given[1])
        case Operator.ONE_OF:
            return value in given
        case Operator.CONTAINS:
            return given in value
        case Operator.BEGINS:
            return bool(value.startswith(given))
        case Operator.TRUE:
            return value is True
        case _:
            return value is False


@pytest.mark.parametrize("name", COLUMNS)
def test_every_operator_says_what_one_value_at_a_time_does(name: str) -> None:
    column = COLUMNS[name]
    columns: dict[str, list[Any]] = {
        "numbers": NUMBERS,
        "whole": WHOLE,
        "truths": TRUTHS,
        "plain truths": [bool(one) for one in TRUTHS],
    }
    plain = columns.get(name, TEXTS)
    kind = kind_of(column)
    usual: list[Any] = ["star", "s.*"] if kind is Kind.TEXT else [3.0, 2**60, 5]
    for operator in OPERATORS[kind]:
        for value in VALUES.get(operator, usual):
            found = matching(column, Condition(name, operator, value))
            expected = [plainly(one, operator, value) for one in plain]
            assert found.dtype == bool
            assert found.tolist() == expected, (operator, value)


def test_an_operator_of_another_kind_is_refused() -> None:
    with pytest.raises(BadInput, match="holds numbers"):
        matching(COLUMNS["numbers"], Condition("numbers", Operator.CONTAINS, "3"))
    with pytest.raises(BadInput, match="holds texts"):
        matching(COLUMNS["texts"], Condition("texts", Operator.BELOW, 3.0))


@pytest.mark.parametrize("name", COLUMNS)
def test_the_order_rises_and_ends_with_the_missing(name: str) -> None:
    column = COLUMNS[name]
    order, n_there = sort_order(column)
    there = [row for row in range(len(column)) if not pd.isna(column.iloc[row])]
    there.sort(key=lambda row: column.iloc[row])
    lost = [row for row in range(len(column)) if pd.isna(column.iloc[row])]
    assert order.tolist() == there + lost
    assert n_there == len(there)
    assert order.dtype == np.int32


def test_a_condition_survives_json_and_strange_ones_are_refused() -> None:
    for one in (
        Condition("mag", Operator.BETWEEN, (1.0, 2.5)),
        Condition("class", Operator.ONE_OF, ("a", "b")),
        Condition("class", Operator.IS, "3"),
        Condition("n", Operator.IS_NOT, 2**60),
        Condition("flag", Operator.TRUE),
    ):
        assert as_condition(json.loads(json.dumps(one.as_json()))) == one
    assert as_condition(["mag", "between", [3, 1]]).value == (1, 3)
    for strange in (
        *(None, "mag", [], ["mag", "<"], ["mag", "~", 3], [3, "<", 3], ["", "<", 3]),
        *(["mag", "<", "x"], ["mag", "<", math.nan], ["mag", "between", [1]]),
        *(["c", "is one of", []], ["c", "is one of", "abc"], ["c", "contains", ""]),
        *(["c", "is", True], ["c", "contains", "x" * 600]),
    ):
        with pytest.raises(BadInput, match="make the filter anew"):
            as_condition(strange)


def test_words() -> None:
    said = [
        Condition("mag", Operator.BELOW, 20.5).words(unit="mag"),
        Condition("mag", Operator.BETWEEN, (1.0, 2.0)).words("brightness"),
        Condition("c", Operator.ONE_OF, ("a", "b")).words(),
        Condition("c", Operator.MISSING).words(),
    ]
    assert said == [
        "mag < 20.5 mag",
        "brightness between 1 and 2",
        "c is one of a, b",
        "c is missing",
    ]


def test_a_value_is_told_and_kept_to_its_last_digit() -> None:
    assert Condition("mag", Operator.IS, 20.1234567).words() == "mag is 20.1234567"
    assert Condition("id", Operator.IS, 1237648720693755918).words() == "id is 1237648720693755918"
    between = as_condition(["mag", "between", [21.98765432, 2]])
    assert between.words() == "mag between 2 and 21.98765432"


@pytest.mark.parametrize(
    "given",
    [
        ["a", "<", 10**400],
        ["a", "<", 10**5000],
        ["a", "is", "\ud800"],
        ["a", "is one of", ["x", "\ud800"]],
        ["\ud800", "is missing", None],
        "\ud800",
    ],
)
def test_what_no_column_can_hold_is_refused_in_words_that_can_be_shown(given: Any) -> None:
    with pytest.raises(BadInput, match="A condition is") as caught:
        as_condition(given)
    str(caught.value).encode()


def test_a_number_beyond_64_bits_is_compared() -> None:
    values = pd.Series([1, 2**62])
    assert matching(values, as_condition(["id", "<", 10**30])).tolist() == [True, True]
    assert matching(values, as_condition(["id", "is", 10**30])).tolist() == [False, False]
