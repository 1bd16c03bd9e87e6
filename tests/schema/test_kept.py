"""Facts that an older version kept."""

import json

from analyzer.schema.constraints import ConstraintFacts
from analyzer.schema.facts import SchemaFacts, TableFacts
from analyzer.schema.kept import decode, encode


def test_facts_are_read_without_what_this_version_no_longer_has():
    table = TableFacts(100, "public", "item", "r", 1.0, 8192, constraints=(ConstraintFacts("positive", "c"),))
    facts = SchemaFacts("shop", 180000, (table,))
    older = json.loads(encode(facts))
    older["tables"][0]["constraints"][0]["index_oid"] = 7
    assert decode(json.dumps(older).encode()) == facts
