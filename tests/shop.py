"""The programme of a small shop, for tests."""

from __future__ import annotations

from typing import Any

SHOP: dict[str, Any] = {
    "name": "shop",
    # A handful of people stands for many.
    "minimum_group": 1,
    "sender": {
        "from": "Trail & Co <hello@shop.example>",
        "postal_address": "1 High Street, Springfield",
        "list_id": "news.shop.example",
    },
    "topics": {"deals": {"title": "Deals", "purpose": "marketing"}},
    "segments": {
        "viewed-not-bought": {
            "title": "Viewed a product and did not buy within 48 h",
            "rule": {"did_then_not": ["Product Viewed", "Order Completed"], "within": "48h"},
        },
        "buyers": {"title": "Bought ever", "rule": {"did": "Order Completed"}},
    },
    "journeys": {
        "come-back": {
            "trigger": {"segment_entered": "viewed-not-bought"},
            "re_entry": "30d",
            "steps": [{"send": "come-back"}, {"exit": True}],
        },
        "receipt": {
            "trigger": {"event": "Order Completed"},
            "re_entry": "0m",
            "steps": [{"wait": "1h"}, {"send": "receipt"}],
        },
    },
    "templates": {
        "come-back": {
            "topic": "deals",
            "subject": "{first_name}, Your Personalized Deal Awaits!",
            "preheader": "Exclusive offers on {last_purchase_category|things you like} just for you!",
            "html": "<html><body>{% if user.interests contains 'outdoor' %}<p>Out you go</p>{% endif %}"
            '<a href="{CTA_Link}">{CTA_Text}</a>'
            '<p>{postal_address} <a href="{unsubscribe_url}">Unsubscribe</a></p></body></html>',
            "cta": [
                {
                    "when": {"attribute": "interests", "contains": "outdoor"},
                    "text": "See the tents",
                    "link": "https://shop.example/tents",
                },
                {"text": "See what is new", "link": "https://shop.example/new"},
            ],
        },
        "receipt": {
            "kind": "transactional",
            "subject": "Thank you, {first_name}",
            "html": "<html><body><p>Thank you.</p></body></html>",
        },
    },
}
