"""Products: what letters recommend from."""

from __future__ import annotations

from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Body

from contract import READ, WRITE, answers, routes
from models import Product, Products
from tailor.edges import runtime
from tailor.flows import stock

router = routes()


@router.get("/api/products", summary="List products", tags=["products"], security=READ, responses=answers())
def products() -> list[Product]:
    """The catalogue: what was uploaded, and what was learned from events."""
    return [Product(**product) for product in stock.catalogue(runtime.store()).values()]


@router.put("/api/products", summary="Replace the catalogue", tags=["products"], security=WRITE, responses=answers())
def upload(
    rows: Annotated[list[dict[str, Any]], Body(description="Products, each with a `name` and a `url`")],
) -> Products:
    """Replaces what was uploaded before; letters recommend from it after the next night."""
    return Products(products=stock.upload(rows, runtime.store()))
