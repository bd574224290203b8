from __future__ import annotations

import gzip
import uuid

import pytest

from core.errors import BadInput, NotFound
from core.exchange import read_labels


def refusal(path, **options) -> str:
    with pytest.raises(BadInput) as caught:
        list(read_labels(path, **options))
    return str(caught.value)


def test_labels_from_anywhere(file):
    path = file(
        "label,object_id,annotator,answered_at,note,confidence,tags,magnitude\n"
        'dual AGN,obj 1,ada,2026-05-04 12:30:00,"two\nnuclei",0.5,"[""tail""]",21\n'
        "\n"
        "other,obj 2,,2026-05-04T14:30:00+02:00,,,,22\n"
    )
    found = read_labels(path)
    assert found.format == "csv"
    first, second = list(found)
    assert (first.line, second.line) == (2, 5)
    assert first.kind == "label"
    assert first.values == {
        "event_id": first.values["event_id"],
        "object_id": "obj 1",
        "action": "label",
        "class_name": "dual AGN",
        "annotator": "ada",
        "answered_at": "2026-05-04T12:30:00+00:00",
        "shown_at": None,
        "note": "two\nnuclei",
        "confidence": 0.5,
        "tags": ["tail"],
        "payload": None,
        "source": "csv",
    }
    assert second.values["annotator"] is None
    assert second.values["answered_at"] == "2026-05-04T12:30:00+00:00"


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_encodings_delimiters_and_line_ends(file, codec, delimiter, end):
    lines = ["object_id,label", "naïve 🙂,dual AGN", "b,other"]
    text = (end.join(lines) + end).replace(",", delimiter)
    rows = list(read_labels(file(text.encode(codec))))
    assert [(r.line, r.values["object_id"], r.values["class_name"]) for r in rows] == [
        (2, "naïve 🙂", "dual AGN"),
        (3, "b", "other"),
    ]


def test_ids_are_the_same_however_the_rows_are_ordered(file):
    def ids(text):
        rows = list(read_labels(file(text)))
        return {row.values["object_id"]: row.values["event_id"] for row in rows}

    first = ids("object_id,label,annotator\na,x,ada\nb,y,ada\n")
    again = ids('annotator,label,object_id\n"ada",y,b\r\nada,x,a\r\nada,x,c\r\n')
    assert again["a"] == first["a"]
    assert again["b"] == first["b"]
    assert len(set(again.values())) == 3
    assert uuid.UUID(first["a"]).version == 5


def test_a_row_that_is_there_twice_counts_once(file):
    found = read_labels(
        file("object_id,label,note\na,x,\na,x,\na,x,other words\na,x,other words\nb,x,\na,x,\n")
    )
    assert [(row.line, row.values["note"]) for row in found] == [
        (2, None),
        (4, "other words"),
        (6, None),
    ]
    assert found.left_out == {"rows that are there twice": 3}


def test_two_classes_by_one_annotator_are_refused_with_both_lines(file):
    message = refusal(file("object_id,label,annotator\na,x,ada\na,y,bob\nb,x,ada\na,y,ada\n"))
    assert message == (
        "labels.csv, line 5: ada gives 'a' the class 'y', but in line 2 the class 'x'; keep one"
        " of them."
    )


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        (b"", None, "the file is empty"),
        (b"\xef\xbb\xbf", None, "the file is empty"),
        (b"  \n \n", None, "the file is empty"),
        (b"\nobject_id,label\n", 1, "first line should name the columns"),
        (b"object_id,label\n", None, "a header but no rows"),
        (b"name,class\na,x\n", 1, "the columns object_id and label are needed"),
        (b"name,class\na,x\n", 1, "but the header has name, class; rename"),
        (b"object_id,label,label\na,x,y\n", 1, "the column 'label' comes twice"),
        (b"object_id,label\na,x\nb,x,y\n", 3, "the row has 3 cells, but the header names 2"),
        (b"object_id,label\na\n", 2, "the row has 1 cells"),
        (b"object_id,label\n,x\n", 2, "object_id is empty"),
        (b"object_id,label\na,x\nb, \n", 3, "label is empty"),
        (b"object_id,label\na,x\nb,\x00\n", 3, "there is a NUL character"),
        ("object_id,label\na,x\nbé,x\n".encode("latin-1"), 3, "looks like Latin-1"),
        (b"object_id,label\na,x\n\x81b,x\n", 3, "the byte 0x81 is not UTF-8"),
        (b"object_id,label\na,x\nb,\xc3\xa9\nc,\xe9\n", 4, "the byte 0xe9 is not UTF-8"),
        ("object_id,label\na,x\n".encode("utf-16")[:-1], 2, "not whole UTF-16"),
        ("object_id,label\na,x\n".encode("utf-16-le"), 1, "there is a NUL character"),
        (b"object_id,label\n" + b"a" * 10_000 + b",x\n", 2, "1 to 512 characters"),
        (b"object_id,label\na\tb,x\n", 2, "printable"),
        (
            b"object_id,label\na,x\nb," + b"x" * 1_100_000 + b"\n",
            3,
            "more than 1048576 characters",
        ),
        (b'object_id,label\na,x\n"b,x\n', 3, "check its quotes"),
        (b'object_id,label\na,x\n"b"c,x\n', 3, "check its quotes"),
        (b"object_id,label\ra,x\r", 1, "a carriage return alone"),
        (b"object_id,label,confidence\na,x,sure\n", 2, "confidence should be a number"),
        (b"object_id,label,confidence\na,x,1.5\n", 2, "confidence is 0 to 1"),
        (b"object_id,label,confidence\na,x,nan\n", 2, "confidence is 0 to 1"),
        (b"object_id,label,answered_at\na,x,yesterday\n", 2, "should be a time such as"),
        (b"object_id,label,tags\na,x,tail | arc\n", 2, "tags should be JSON"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence_with_its_line(file, content, line, words):
    message = refusal(file(content))
    start = "labels.csv: " if line is None else f"labels.csv, line {line}: "
    assert message.startswith(start)
    assert words in message
    assert message.endswith(".")
    assert "\n" not in message


def test_a_missing_file(tmp_path):
    with pytest.raises(NotFound, match="no file"):
        read_labels(tmp_path / "none.csv")


def test_gzip_known_by_its_content(file):
    packed = gzip.compress(b"object_id,label\na,x\n")
    assert len(list(read_labels(file(packed)))) == 1
    assert "cut short" in refusal(file(packed[:-12]))
    assert "cut short" in refusal(file(packed[:12]))


def test_a_zip_without_a_single_csv(file):
    assert "the zip is damaged" in refusal(file(b"PK\x03\x04 and no more", "labels.zip"))


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        (b'{"object_id": "a", "label": "x"}\n{"object_id": "b"', 2, "the line is no JSON"),
        (b'{"object_id": "a", "label": "x"}\n[1]\n', 2, "no object"),
        (b'{"skysift": {}}\n', None, "it has no rows"),
        (b'{"a": 1}\n', None, "but it has a;"),
        (b'{"object_id": 5, "label": {"a": 1}, "answered_at": 7}', 1, "should be a time"),
        (b'{"object_id": "a", "label": "\\udc00"}', 1, "half of a surrogate pair"),
        (b'{"a": ' + b"[" * 5000, 1, "the line is no JSON"),
    ],
)
def test_bad_json_lines(file, content, line, words):
    message = refusal(file(content, "labels.jsonl"))
    assert message.startswith("labels.jsonl: " if line is None else f"labels.jsonl, line {line}: ")
    assert words in message


def test_plain_json_lines(file):
    path = file('{"object_id": "a", "label": "x", "tags": ["t"], "confidence": 1}\n\n', "l.jsonl")
    (row,) = read_labels(path)
    assert row.values["class_name"] == "x"
    assert row.values["tags"] == ["t"]
    assert row.values["confidence"] == 1


EVENT = "event_id,object_id,annotator,action,seq,late,tags,payload\n"


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("e1,a,ada,shout,1,,,", "action is one of label, skip"),
        (",a,ada,label,1,,,", "event_id is empty"),
        ("e1,a,,label,1,,,", "annotator is empty"),
        ("e1,a,ada,label,one,,,", "seq should be a whole number, but is 'one'"),
        ("e1,a,ada,label,1,maybe,,", "late should be true or false"),
        ("e1,a,ada,label,1,,[1],", "tags should be a JSON list of texts"),
        ("e1,a,ada,label,1,,,[]", "payload should be a JSON object"),
        ("e1,a,ada,label,1,,,{", "payload should be JSON"),
    ],
)
def test_bad_events_of_ours(file, row, words):
    message = refusal(file(EVENT + "e0,a,ada,label,0,FALSE,,\n" + row + "\n"))
    assert message.startswith("labels.csv, line 3: ")
    assert words in message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<?xml version='1.0'?><VOTABLE></VOTABLE>", "has no TABLEDATA"),
        (b"<VOTABLE>\n<TABLE>\n<FIELD></TABLE>", "line 3: the XML is broken (mismatched tag)"),
        (b'<!DOCTYPE V [<!ENTITY a "b">]><VOTABLE/>', "declares entities"),
        (b"<!-- --><!DOCTYPE V [<!ENTITY a 'b'>]><V>&a;</V>", "declares entities"),
        (b"PAR1 and no more", "Parquet file is cut short or damaged"),
        (b"SIMPLE  = and no more", "FITS file is cut short or damaged"),
    ],
)
def test_damaged_tables(file, content, words):
    assert words in refusal(file(content, "labels.any"))
