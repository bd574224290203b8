"""`query` on the command line: where the query is read from, and what to do with its table."""

from __future__ import annotations

from core.run import main
from core.survey.sky.queries import QueryResult


def ask(tmp_path, query):
    out = tmp_path / "my table.csv"
    return main(["query", "sdss", query, "--out", str(out), "--workspace", str(tmp_path / "ws")])


def test_it_says_where_the_table_is_and_what_comes_next(tmp_path, capsys, monkeypatch):
    asked = []

    def answer(_service, query, out, **_more):
        asked.append(query)
        return QueryResult(out, 2, ("ra", "dec"))

    monkeypatch.setattr("core.survey.sky.queries.run_query", answer)
    (tmp_path / "q.sql").write_text("SELECT ra, dec FROM Galaxy")
    assert ask(tmp_path, f"@{tmp_path / 'q.sql'}") == 0
    assert asked == ["SELECT ra, dec FROM Galaxy"]
    out = capsys.readouterr().out
    assert f"2 rows in 2 columns are in {tmp_path / 'my table.csv'}." in out
    assert f"import '{tmp_path / 'my table.csv'}' --name NAME --reader frames" in out
    assert f"--workspace {tmp_path / 'ws'}`" in out
    assert "--reader sky" in out
    assert "--reader table" in out


def test_a_file_that_holds_no_query_gets_one_sentence(tmp_path, capsys):
    path = tmp_path / "gone.sql"
    assert ask(tmp_path, f"@{path}") == 2
    assert capsys.readouterr().err == (
        f"skysift: A query that begins with @ names a file that holds it, but {path} cannot be"
        " read (No such file or directory); correct the path.\n"
    )
    path.write_bytes(b"\xff\xfe\x00")
    assert ask(tmp_path, f"@{path}") == 2
    assert "(it is not text)" in capsys.readouterr().err
    assert not (tmp_path / "ws").exists()
