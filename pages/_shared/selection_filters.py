"""The filter as a person changes it: conditions on columns, all of which count, as chips."""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from core.errors import BadInput, SkysiftError
from core.survey.filtering import (
    OPERATORS,
    WITHOUT_VALUE,
    Condition,
    Kind,
    Operator,
    as_condition,
)
from pages._server.filters import fitting
from pages._server.tables import Column, SurveyTable
from pages._shared.selection_state import choose_filter, current_filter
from pages._shared.words import plain

__all__ = ["draw_chips", "draw_filter", "draw_form", "that_fit", "title"]


def title(column: Column) -> str:
    """A column's name with its unit."""
    return f"{column.title} [{column.unit}]" if column.unit else column.title


def draw_filter(table: SurveyTable) -> tuple[Condition, ...]:
    """Draw the conditions and the form for one more; returns those that count."""
    try:
        conditions = current_filter()
    except BadInput as error:
        st.warning(plain(str(error)))
        conditions = ()
    conditions = that_fit(table, conditions)
    with st.container(horizontal=True, key="filter-chips"):
        draw_chips(table, conditions)
        with st.popover("Add a condition", icon=":material/filter_alt:"):
            draw_form(table, conditions)
    return conditions


def that_fit(table: SurveyTable, conditions: tuple[Condition, ...]) -> tuple[Condition, ...]:
    """Those that the table can be held against; the others are told and forgotten."""
    good, refused = fitting(table, conditions)
    for sentence in refused:
        st.warning(plain(sentence))
    if refused:
        choose_filter(good)
    return good


def draw_chips(table: SurveyTable, conditions: tuple[Condition, ...]) -> None:
    """A button for each condition that takes it out."""
    for place, one in enumerate(conditions):
        column = table.column(one.column)
        words = plain(one.words(column.title, column.unit))
        # By what it says: a second press, on its way still, must not take out its neighbour.
        key = f"filter chip {json.dumps(one.as_json())}"
        if st.button(words, icon=":material/close:", key=key, help="Take it out"):
            choose_filter([*conditions[:place], *conditions[place + 1 :]])
            st.rerun()


def draw_form(table: SurveyTable, conditions: tuple[Condition, ...]) -> None:
    """The widgets that add a condition."""
    columns = {one.name: one for one in table.columns}
    name = st.selectbox(
        "Column", list(columns), format_func=lambda one: title(columns[one]), key="filter column"
    )
    column = columns[name]
    operator = st.selectbox(
        "Comparison", OPERATORS[column.kind], key=f"filter operator {column.kind}"
    )
    value = _value(table, column, operator)
    if st.button("Add", type="primary", key="filter add"):
        try:
            condition = as_condition([name, operator.value, _read(column, operator, value)])
            if condition in conditions:
                raise BadInput("The filter has this condition already; add another one.")
            choose_filter([*conditions, condition])
        except SkysiftError as error:
            st.error(plain(str(error)))
        else:
            st.rerun()


def _value(table: SurveyTable, column: Column, operator: Operator) -> Any:
    """The widget that fits; what it holds."""
    if operator in WITHOUT_VALUE:
        return None
    if operator is Operator.BETWEEN:
        left, right = st.columns(2)
        with left:
            low = st.text_input("From", key="filter low")
        with right:
            high = st.text_input("To", key="filter high")
        return [low, high]
    if column.kind is Kind.TEXT:
        choices = table.choices(column.name)
        if operator is Operator.ONE_OF:
            if choices:
                return st.multiselect("Values", choices, key=f"filter values {column.name}")
            return st.text_area("Values, one a line", key="filter lines").splitlines()
        if choices and operator in (Operator.IS, Operator.IS_NOT):
            return st.selectbox("Value", choices, key=f"filter value {column.name}")
        return st.text_input("Text", key="filter text")
    return st.text_input("Value", key="filter number", placeholder="a number, such as 0.5 or 1e-3")


def _read(column: Column, operator: Operator, value: Any) -> Any:
    """The value as the condition wants it (`BadInput`)."""
    if operator in WITHOUT_VALUE:
        return None
    if operator is Operator.BETWEEN:
        return [_number(one) for one in value]
    if operator is Operator.ONE_OF:
        listed = [one.strip() for one in value if one.strip()]
        if not listed:
            raise BadInput(f"Name a value that {column.title} may have.")
        return listed
    if column.kind is Kind.NUMBER:
        return _number(value)
    if not value:
        raise BadInput(f"Say what {column.title} {operator.value}.")
    return value


def _number(text: str) -> int | float:
    typed = text.strip()
    for read in (int, float):
        try:
            return read(typed)
        except ValueError:
            continue
    raise BadInput(
        f"A value to compare with is a number such as 0.5 or 1e-3, but is {typed[:40]!r}; correct"
        " it."
    )
