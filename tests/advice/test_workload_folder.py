import json

import pytest

from analyzer.advice.workload_folder import read_workload_folder
from analyzer.errors import BadInput


@pytest.fixture
def folder(tmp_path):
    def write(**files):
        for name, text in files.items():
            (tmp_path / name.replace("__", ".")).write_text(text)
        return tmp_path

    return write


def test_each_file_is_a_statement_labelled_by_its_name(folder):
    read = read_workload_folder(folder(b__sql="update t set a = 1;\n", a__sql="-- first\nselect 1 from t"))
    assert [(s.label, s.kind, s.weight) for s in read.statements] == [("a", "select", 1.0), ("b", "update", 1.0)]
    assert read.statements[1].sql == "update t set a = 1"
    assert not read.problems


def test_weights_come_from_json_and_else_from_csv(folder):
    where = folder(a__sql="select 1", b__sql="select 2", weights__csv="label,weight\na,7\n")
    assert [s.weight for s in read_workload_folder(where).statements] == [7.0, 1.0]
    where = folder(weights__json=json.dumps({"b": 40}))
    assert [s.weight for s in read_workload_folder(where).statements] == [1.0, 40.0]


def test_a_bad_file_is_named_and_the_rest_is_read(folder):
    where = folder(
        a__sql="select 1", b__sql="select\nfrom where x", c__sql="select 1; select 2", d__sql="vacuum", e__sql="  "
    )
    (where / "f.sql").write_bytes(b"select '\xff'")
    read = read_workload_folder(where)
    assert [s.label for s in read.statements] == ["a"]
    assert read.problems == (
        'b.sql: It is not valid SQL in line 2: syntax error at or near "where".',
        "c.sql: It holds 2 statements; write each into a file of its own.",
        "d.sql: It is a utility statement, which has no plan of its own.",
        "e.sql: The text holds no statement.",
        "f.sql: It is not UTF-8 text.",
    )


def test_weights_that_make_no_sense_are_named(folder):
    where = folder(a__sql="select 1", weights__json='{"a": -3, "gone": 2}')
    read = read_workload_folder(where)
    assert read.statements[0].weight == 1.0
    assert read.problems == (
        "The weight of 'a' is -3, not a number from 0 on; 1 is taken.",
        "The weights name 'gone', and there is no gone.sql.",
    )


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({}, "holds no .sql file"),
        ({"a__sql": "vacuum"}, "None of the 1 .sql files"),
        ({"a__sql": "select 1", "weights__json": "[1]"}, "holds no object"),
        ({"a__sql": "select 1", "weights__json": "{"}, "cannot be read"),
    ],
)
def test_nothing_to_read_is_said(folder, files, says):
    with pytest.raises(BadInput, match=says):
        read_workload_folder(folder(**files))


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(BadInput, match="There is no folder"):
        read_workload_folder(tmp_path / "none")
