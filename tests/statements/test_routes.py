"""Tags of a comment -> the route and the place in the code."""

import pytest

from analyzer.statements.routes import file_name, route_name


@pytest.mark.parametrize(
    ("tags", "route", "file"),
    [
        ({"route": "orders/<pk>", "controller": "orders", "file": "views.py:41"}, "orders/<pk>", "views.py:41"),
        ({"controller": "orders", "action": "list", "line": "order.rb:7"}, "orders#list", "order.rb:7"),
        ({"job": "close", "source_location": "close.rb:3"}, "close", "close.rb:3"),
        ({"file": "views.py", "line": "41"}, "", "views.py:41"),
        ({"line": "41"}, "", ""),
        ({"file": "x" * 300}, "", "x" * 200),
        ({}, "", ""),
    ],
)
def test_route_and_file(tags, route, file):
    assert (route_name(tags), file_name(tags)) == (route, file)
