"""The file publisher: one event a line, delivered once it is on the disk."""
import json
import os
import re

import pytest

import flyte
from gateway import run
from wait import wait_until


def send(g, requests):
    with g.channel() as channel:
        for r in requests:
            flyte.send(channel, r)


def runs(n, name="f"):
    return [flyte.workflow(name=f"{name}{i}") for i in range(n)]


def test_without_a_configuration_events_go_to_standard_output(gateway):
    """The built-in defaults listen on fixed ports, so the same pipeline is written down here."""
    g = gateway("pipelines:\n  - {name: default, publisher: {type: file, path: '-'}}\n")
    send(g, runs(3))
    g.settled(3)
    lines = [json.loads(line) for line in g.stdout().splitlines()]
    assert [e["id"] for e in lines] == [flyte.id_of(r) for r in runs(3)]
    assert "level=" not in g.stdout()


def test_no_pipelines_means_one_to_standard_output(gateway):
    g = gateway("source: /gateway\n")
    send(g, runs(1))
    assert list(g.settled(1)) == ["default"]
    assert json.loads(g.stdout())["source"] == "/gateway"


def test_an_unfinished_last_line_is_cut_off_at_open(gateway):
    g = gateway(files={"all.jsonl": '{"whole":1}\n{"id":"half'})
    send(g, runs(1))
    g.settled(1)
    whole, event = g.lines()
    assert whole == {"whole": 1} and event["id"] == flyte.id_of(runs(1)[0])


def test_events_are_appended_after_a_restart(gateway):
    g = gateway()
    send(g, runs(2, "a"))
    g.settled(2)
    g.restart()
    send(g, runs(2, "b"))
    g.settled(4)
    assert g.ids() == [flyte.id_of(r) for r in runs(2, "a") + runs(2, "b")]


def test_rotation_keeps_whole_lines_and_so_many_files(gateway):
    g = gateway("pipelines:\n  - {name: all, publisher: {type: file, path: all.jsonl, rotate: {max_bytes: 4KiB, keep: 2}}}\n")
    send(g, runs(60))
    g.settled(60)
    files = [f for f in os.listdir(g.folder) if f.startswith("all.jsonl")]
    assert len(files) == 3, files
    ids = []
    for f in files:
        ids += g.ids(f)
        assert os.path.getsize(g.path(f)) <= 4096
    assert len(ids) == len(set(ids)) and ids
    assert flyte.id_of(runs(60)[-1]) in g.ids()


def test_a_folder_that_is_missing_stops_that_pipeline_only(gateway):
    g = gateway("""\
pipelines:
  - {name: broken, publisher: {type: file, path: no/such/folder/x.jsonl}}
  - {name: all, publisher: {type: file, path: all.jsonl}}
""", started=False)
    g.start()
    send(g, runs(2))
    g.settled(2, "all")
    broken = g.pipeline("broken")
    assert (broken["lag"], broken["up"]) == (2, 0) or (broken["lag"], broken["up"]) == (2, False)
    assert "no/such/folder" in broken["last_error"]
    os.makedirs(g.path("no/such/folder"))
    g.restart()
    g.settled()
    assert g.ids("no/such/folder/x.jsonl") == [flyte.id_of(r) for r in runs(2)]


def test_a_full_disk_is_tried_again(gateway):
    """/dev/full refuses each write as a full disk does: nothing is lost, nothing counts as delivered."""
    g = gateway("pipelines:\n  - {name: all, retry: {initial: 10ms, max: 20ms}, publisher: {type: file, path: /dev/full}}\n")
    send(g, runs(1))

    def down():
        p = g.pipeline()
        return p["lag"] == 1 and not p["up"] and re.search("space", p["last_error"], re.I)
    wait_until(down, g.pipelines)
    assert g.metric("moongate_publish_retries_total", pipeline="all") >= 1
    assert g.metric("moongate_pipeline_up", pipeline="all") == 0


def test_paths_are_relative_to_the_configuration(gateway, tmp_path):
    g = gateway(started=False)
    os.makedirs(tmp_path / "elsewhere")
    folder, g.folder = g.folder, str(tmp_path / "elsewhere")
    g.start()
    send(g, runs(1))
    g.settled(1)
    g.folder = folder
    assert len(g.lines()) == 1


@pytest.mark.parametrize("publishers,level,what", [
    (["{type: file, path: a}", "{type: file, path: a}"], "warning", "where pipeline p0 sends"),
    (["{type: kafka, brokers: [a], topic: t}", "{type: kafka, brokers: a, topic: t}"], "warning", "where pipeline p0 sends"),
    (["{type: file, path: no/such/x}"], "warning", "No such file"),
    (["{type: file, path: .}"], "error", "folder"),
    (["{type: file, path: ''}"], "error", "folder"),
    (["{type: kafka, brokers: a, topic: t, tls: {ca: no.pem}}"], "error", "no.pem: No such file"),
    (["{type: file, path: '-'}", "{type: file, path: '-'}"], None, ""),
    (["{type: kafka, brokers: a, topic: t}", "{type: kafka, brokers: b, topic: t}"], None, ""),
], ids=["one file", "one topic", "no folder", "a folder", "no path", "no ca", "standard output", "two clusters"])
def test_check_looks_at_destinations(tmp_path, publishers, level, what):
    pipelines = "".join(f"  - {{name: p{i}, publisher: {p}}}\n" for i, p in enumerate(publishers))
    (tmp_path / "m.yaml").write_text("pipelines:\n" + pipelines)
    done = run("check", "-c", tmp_path / "m.yaml", check=int(level == "error"))
    if level is None:
        assert done.stdout == ""
    else:
        assert re.match(rf".*m\.yaml:{1 + len(publishers)}:\d\d+: {level}: .*{what}", done.stdout), done.stdout


@pytest.mark.parametrize("key", ["mode: binary"])
def test_binary_mode_is_an_error_where_there_is_none(tmp_path, key):
    (tmp_path / "m.yaml").write_text(f"pipelines:\n  - {{name: a, format: {{{key}}}, publisher: {{type: file, path: a}}}}\n")
    done = run("check", "-c", tmp_path / "m.yaml", check=1)
    assert re.match(r".*m\.yaml:\d+:\d+: error: .*binary", done.stdout), done.stdout
