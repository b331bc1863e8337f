"""People and machines told apart, and addresses that have refused for too long."""

from __future__ import annotations

import pytest

from tailor.kernel.instants import DAY
from tailor.kernel.person import Person
from tailor.rules.agents import HEAD, agent, clicker
from tailor.rules.bounces import worn_out

NOW = 1_795_500_000_000
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36"


@pytest.mark.parametrize(
    ("user_agent", "kind"),
    [
        (CHROME, "human"),
        ("Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)", "machine"),
        ("Mozilla/5.0", "machine"),
        ("YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html", "machine"),
        ("python-requests/2.32", "machine"),
        (f"{CHROME} (compatible; Bingbot/2.0; +http://www.bing.com/bingbot.htm)", "machine"),
        ("Slackbot-LinkExpanding 1.0", "machine"),
        (HEAD, "machine"),
        ("Barracuda Sentinel scanner", "machine"),
        ("", "unknown"),
        ("SomethingNew 1.0", "unknown"),
    ],
)
def test_clients_are_what_they_call_themselves(user_agent: str, kind: str) -> None:
    assert agent(user_agent) == kind


def test_who_clicks_before_anybody_could_read_is_a_machine() -> None:
    assert clicker(CHROME, [("0", NOW)], NOW - 1_999, now=NOW) == "machine"
    assert clicker(CHROME, [("0", NOW)], NOW - 2_000, now=NOW) == "human"
    assert clicker(CHROME, [("0", NOW)], None, now=NOW) == "human"


def test_who_follows_every_link_at_once_is_a_machine() -> None:
    clicks = [("0", NOW - 1_500), ("1", NOW - 700), ("2", NOW)]
    assert clicker(CHROME, clicks, NOW - DAY, now=NOW) == "machine"
    assert clicker(CHROME, [("0", NOW - 1_500), ("0", NOW - 700), ("2", NOW)], NOW - DAY, now=NOW) == "human"
    assert clicker(CHROME, [("0", NOW - 9_000), ("1", NOW - 700), ("2", NOW)], NOW - DAY, now=NOW) == "human"


@pytest.mark.parametrize(
    ("bounces", "delivered", "worn"),
    [
        ([14, 10, 5, 0], [], True),
        ([13, 10, 5, 0], [], False),
        ([20, 10, 0], [], False),
        ([20, 15, 10, 5, 0], [12], False),
        ([30, 25, 20, 15, 5], [6], True),
    ],
)
def test_soft_bounces_in_a_row_over_two_weeks_end_it(bounces: list[int], delivered: list[int], worn: bool) -> None:
    person = Person("p")
    for name, days in (("Email Bounced", bounces), ("Email Delivered", delivered)):
        for day in days:
            person.count(name, NOW + day * DAY)
    assert worn_out(person) is worn
