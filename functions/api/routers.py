"""The groups of routes, one a file."""

from __future__ import annotations

import campaigns
import demands
import duplicates
import imports
import journeys
import keys
import operations
import people
import products
import programmes
import quarantine
import rights
import segments
import webhooks

GROUPS = (
    campaigns,
    keys,
    programmes,
    people,
    products,
    quarantine,
    rights,
    demands,
    segments,
    journeys,
    operations,
    webhooks,
    duplicates,
    imports,
)
ROUTERS = tuple(group.router for group in GROUPS)
"""In the order in which the document lists them."""
