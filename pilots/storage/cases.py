"""Rows of cases in a SQL database: summed there, by one GROUP BY, so that only cells leave the database."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Engine,
    Float,
    Integer,
    MetaData,
    Numeric,
    Select,
    Table,
    case,
    cast,
    create_engine,
    func,
    literal,
    select,
)
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, NoSuchTableError, SQLAlchemyError

from evaluation.cells import LEAST, Cells, Recipe, Statistic, from_sums
from pilots.storage.base import StoreError

PIVOT = "pivot__"
AS_TEXT = "text__"  # how many values of a column SQLite keeps as text, which would be added up as 0
SYSTEMS = ("sqlite", "postgresql")


def columns_of_table(url: str, table: str) -> list[str]:
    """Names of a table's columns.

    Raises:
        StoreError: the database cannot be reached, or has no such table.
    """
    return _with_table(url, table, lambda engine, rows: list(rows.columns.keys()))


def cells_of_table(url: str, table: str, recipe: Recipe, pivots: Mapping[str, float] | None = None) -> Cells:
    """Cells of a table's rows, taken by the database in one statement.

    Args:
        url: an SQLAlchemy URL of SQLite or PostgreSQL.
        table: a table or view, with its schema before a dot where it has one.
        recipe: what the cells are to be made of.
        pivots: number from which values count, by column. Where none is given, whole numbers count from 0 and others from
            their mean.

    Raises:
        StoreError: the database cannot be reached, or has no such table or column, or a column does not hold numbers.
        PanelError: the rows cannot be summed: see `evaluation.cells.cells`.
    """

    def summed(engine: Engine, rows: Table) -> Cells:
        whole = _check_columns(rows, recipe)
        given = {**dict.fromkeys(whole, 0.0), **(pivots or {})}
        with engine.connect() as connection:
            found = pd.DataFrame(connection.execute(statement(rows, recipe, given, engine.dialect.name)).mappings().all())
        if found.empty:
            return from_sums(pd.DataFrame(columns=list(recipe.keys)), recipe, {})
        _refuse_text(found, recipe)
        used = {name: float(found[PIVOT + name].iloc[0] or 0.0) for name in recipe.values}
        return from_sums(found, recipe, used)

    return _with_table(url, table, summed)


def statement(rows: Table, recipe: Recipe, pivots: Mapping[str, float], system: str) -> Select[Any]:
    """The one GROUP BY: means of the columns without a pivot in a common table expression, and the sums about them."""
    searched = [name for name in recipe.values if name not in pivots]
    values = {name: _number(rows.c[name], system) for name in recipe.numeric}
    averages = [func.coalesce(func.avg(values[name]), 0.0).label(PIVOT + name) for name in searched]
    means = select(*averages).cte("means") if searched else None
    about: dict[str, ColumnElement[Any]] = {
        name: means.c[PIVOT + name] if means is not None and name in searched else literal(pivots[name], Float(53))
        for name in recipe.values
    }
    keys = [rows.c[name] for name in recipe.keys]
    sums = [_sum(one, values, about, recipe).label(one.name) for one in recipe.statistics()]
    beside = [func.min(about[name]).label(PIVOT + name) for name in recipe.values]
    if recipe.weight:
        beside.append(func.min(values[recipe.weight]).label(LEAST))
    if system == "sqlite":
        for name in recipe.numeric:
            no_number = func.typeof(rows.c[name]).in_(("text", "blob"))
            beside.append(func.sum(case((no_number, 1), else_=0)).label(AS_TEXT + name))
    chosen = select(*keys, *sums, *beside).select_from(rows)
    return (chosen.join(means, literal(True)) if means is not None else chosen).group_by(*keys)


def _sum(
    one: Statistic, values: Mapping[str, ColumnElement[Any]], pivots: Mapping[str, ColumnElement[Any]], recipe: Recipe
) -> ColumnElement[Any]:
    needs = [values[name].is_not(None) for name in one.needs]
    if not one.factors:
        return func.count() if not needs else func.sum(case((_all(needs), 1), else_=0))
    product: ColumnElement[Any] | None = None
    for name in one.factors:
        factor = values[name] if name == recipe.weight else values[name] - pivots[name]
        product = factor if product is None else product * factor
    return func.sum(case((_all(needs), product)))


def _all(conditions: Sequence[ColumnElement[bool]]) -> ColumnElement[bool]:
    found = conditions[0]
    for condition in conditions[1:]:
        found = found & condition
    return found


def _number(column: Column[Any], system: str) -> ColumnElement[Any]:
    """A column as a double; PostgreSQL's NaN is missing, as everywhere."""
    plain: ColumnElement[Any] = column
    if isinstance(column.type, Boolean) and system == "postgresql":  # which has no numbers for true and false
        plain = case((column.is_(True), 1), (column.is_(False), 0))
    number = cast(plain, Float(53))
    return func.nullif(number, cast(literal("NaN"), Float(53))) if system == "postgresql" else number


def _check_columns(rows: Table, recipe: Recipe) -> list[str]:
    """Refuse columns that are not there or hold no numbers; the values that are whole numbers."""
    for name in (*recipe.keys, *recipe.numeric):
        if name not in rows.c:
            raise StoreError(f"The table {rows.name} has no column “{name}”. It has: {', '.join(rows.c.keys())}.")
    for name in recipe.numeric:
        if not isinstance(rows.c[name].type, Float | Numeric | Integer | Boolean):
            kind = rows.c[name].type
            raise StoreError(f"Column “{name}” of the table {rows.name} does not hold numbers, but {kind}. Convert it.")
    return [name for name in recipe.values if isinstance(rows.c[name].type, Integer | BigInteger | Boolean)]


def _refuse_text(found: pd.DataFrame, recipe: Recipe) -> None:
    for name in recipe.numeric:
        if AS_TEXT + name in found and int(found[AS_TEXT + name].sum()):
            count = int(found[AS_TEXT + name].sum())
            raise StoreError(f"Column “{name}” has text in place of a number in {count} rows. Correct them, or make them empty.")


def _with_table(url: str, table: str, use: Callable[[Engine, Table], Any]) -> Any:
    schema, _, name = table.rpartition(".")
    try:
        engine = create_engine(url)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise StoreError(f"The database's address cannot be read: {error}. Write it like sqlite:///cases.sqlite.") from error
    if engine.dialect.name not in SYSTEMS:
        raise StoreError(f"Cells are made in SQLite and PostgreSQL, not in {engine.dialect.name}. Export the rows to Parquet.")
    try:
        return use(engine, Table(name, MetaData(), schema=schema or None, autoload_with=engine))
    except NoSuchTableError as error:
        raise StoreError(f"The database has no table “{table}”. Check its name, and its schema before a dot.") from error
    except SQLAlchemyError as error:
        said = getattr(error, "orig", None) or error
        raise StoreError(f"The table {table} could not be read: {said}. Check the address and that the database runs.") from error
    finally:
        engine.dispose()
