"""Does a replication pack run elsewhere with the same figures, and hold nothing that may not be passed on?"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import pytest
import yaml

from evalkit import catalogue
from evalkit.cli import main
from evalkit.errors import RunError, StudyError
from evalkit.report import pack as packing
from evalkit.report.publish import write_json
from evalkit.study import load
from evalkit.study.lock import Code, Said, add_entry
from evalkit.study.text import with_texts

ROOT = Path(__file__).parents[1]


def cli(capsys, *arguments):
    code = main([*map(str, arguments)])
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    return code, said.out, said.err


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """A workbench of its own with one locked study whose data lie elsewhere, and no report."""
    home = tmp_path / "home"
    (home / "data" / "collaboratives").mkdir(parents=True)
    (tmp_path / "my data").mkdir()
    for kind in ("panel", "rollout"):
        shutil.copy(ROOT / "data" / "demo" / f"uec_{kind}.csv", tmp_path / "my data" / f"our {kind}.csv")
    text = (ROOT / "data" / "collaboratives" / "uec.yml").read_text(encoding="utf-8")
    text = text.replace("path: ../demo/uec_panel.csv", f'path: "{tmp_path}/my data/our panel.csv"  # of ours')
    text = text.replace("path: ../demo/uec_rollout.csv", "path: ../../../my data/our rollout.csv")
    text += "\nnotebooks: [quick]\n"
    (home / "data" / "collaboratives" / "uec.yml").write_text(text, encoding="utf-8")
    (home / "notebooks").mkdir()
    (home / "notebooks" / "quick.ipynb").write_text("{}", encoding="utf-8")
    monkeypatch.setenv(catalogue.HOME_VARIABLE, str(home))
    monkeypatch.delenv(catalogue.REPORTS_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    study = load(home / "data" / "collaboratives" / "uec.yml")
    said = Said("A. Tester", "", "", Code(version="0.1.0", sha256="0" * 64))
    add_entry(study.protocol, study.path, None, said, datetime(2026, 1, 1, tzinfo=UTC))
    return home


def report(home, study, name="uec", **changes):
    folder = home / "reports" / name
    folder.mkdir(parents=True)
    keys = dict.fromkeys(("notebooks", "summary", "failures", "created"))
    record = {**keys, "study": study.slug, "status": "complete", "protocol": {"sha256": study.sha256}, **changes}
    write_json(folder / "manifest.json", record)
    (folder / "findings.html").write_text("<p>Found</p>", encoding="utf-8")
    return folder


def read(path):
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {i.filename: archive.read(i) for i in archive.infolist()}


def test_a_pack_runs_elsewhere_with_the_same_figures(capsys, bench, tmp_path):
    code, out, err = cli(capsys, "pack", "uec")
    assert (code, err) == (0, "")
    assert "without a report" in out
    elsewhere = tmp_path / "elsewhere"
    with zipfile.ZipFile(tmp_path / "uec-pack.zip") as archive:
        archive.extractall(elsewhere)
    for kind in ("panel", "rollout"):
        (tmp_path / "my data" / f"our {kind}.csv").unlink()  # only what is inside is left
    there = elsewhere / "uec-pack"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("EVALKIT")} | {"PYTHONPATH": str(there)}

    def there_says(*arguments):
        command = [sys.executable, "-m", "evalkit", *arguments]
        done = subprocess.run(command, cwd=there, env=environment, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    assert "uec: sound" in there_says("check", "uec")
    found = json.loads(there_says("estimate", "uec", "--design", "group_time", "--json"))
    code, out, _ = cli(
        capsys, "estimate", ROOT / "data" / "collaboratives" / "uec.yml", "--design", "group_time", "--json"
    )
    assert code == 0
    assert found == json.loads(out)
    assert load(there / "data" / "collaboratives" / "uec.yml").lock.first.by == "A. Tester"
    where = there_says("list")
    assert "uec" in where


def test_every_member_is_hashed_and_lies_inside_the_pack(bench, tmp_path):
    members = read(packing.pack("uec").path)
    record = json.loads(members["uec-pack/manifest.json"])
    hashed = {f"uec-pack/{name}": one for name, one in record["members"].items()}
    assert {*hashed, "uec-pack/manifest.json"} == set(members)
    for name, one in hashed.items():
        assert one == {"sha256": hashlib.sha256(members[name]).hexdigest(), "bytes": len(members[name])}
        parts = PurePosixPath(name).parts
        assert parts[0] == "uec-pack"
        assert ".." not in parts
        assert "\\" not in name
    text = b"".join(members.values()).decode("utf-8", "replace")
    assert str(tmp_path) not in text
    assert "__pycache__" not in " ".join(members)
    readme = members["uec-pack/README.md"].decode()
    assert "make evaluate" in readme
    assert "All data are inside" in readme
    assert record["protocol"] == {"sha256": load(bench / "data/collaboratives/uec.yml").sha256,
                                  "plan": load(bench / "data/collaboratives/uec.yml").plan_sha256}  # fmt: skip


def test_the_same_study_gives_the_same_bytes(bench, tmp_path):
    first = packing.pack("uec", tmp_path / "a.zip").path.read_bytes()
    os.utime(bench / "data" / "collaboratives" / "uec.yml", (1, 1))
    assert packing.pack("uec", tmp_path / "b.zip").path.read_bytes() == first
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        names = archive.namelist()
        assert names == sorted(names)
        assert {i.date_time for i in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_data_that_may_not_be_passed_on_stay_out_and_are_named_with_their_hash(capsys, bench, monkeypatch):
    opened = catalogue.open_study

    def guarded(name):
        study = opened(name)
        protocol = study.protocol.model_copy(update={"disclosure": "hes"})
        return study.__class__(study.slug, study.path, study.sha256, protocol, study.lock)

    monkeypatch.setattr(packing, "open_study", guarded)
    made = packing.pack("uec")
    members = read(made.path)
    panel = (bench.parent / "my data" / "our panel.csv").read_bytes()
    assert not [n for n in members if "supplied" in n]
    assert panel not in members.values()
    assert panel[:2000] not in b"".join(members.values())
    readme = members["uec-pack/README.md"].decode()
    for file in made.wanted:
        assert f"| `{file['put']}` |" in readme
        assert file["sha256"] in readme
    assert [f["put"] for f in made.wanted] == ["data/supplied/panel.csv", "data/supplied/rollout.csv"]
    assert made.wanted[0]["sha256"] == hashlib.sha256(panel).hexdigest()
    monkeypatch.undo()
    monkeypatch.setenv(catalogue.HOME_VARIABLE, str(bench))
    monkeypatch.setattr(packing, "open_study", guarded)
    code, out, _ = cli(capsys, "pack", "uec", "--out", bench / "x.zip")
    assert code == 0
    assert out.count("to be supplied: ") == 2


def test_a_report_that_fits_goes_along_and_one_that_does_not_stays(capsys, bench):
    study = catalogue.open_study("uec")
    folder = report(bench, study)
    made = packing.pack("uec")
    assert made.report == "uec"
    assert read(made.path)["uec-pack/results/findings.html"] == b"<p>Found</p>"
    assert packing.pack(str(folder)).report == "uec"
    protocol = bench / "data" / "collaboratives" / "uec.yml"
    protocol.write_text(protocol.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
    assert packing.pack("uec").report is None
    code, _, err = cli(capsys, "pack", folder)
    assert code == 1
    assert "has changed since" in err
    failed = report(bench, catalogue.open_study("uec"), "other", status="failed")
    assert cli(capsys, "pack", failed)[0] == 1


def test_what_is_no_study_and_no_report_is_refused(capsys, bench, tmp_path):
    (tmp_path / "folder").mkdir()
    for named, said in (
        (tmp_path / "folder", "no report"),
        ("uek", "did you mean uec?"),
        ("no.yml", "no such protocol"),
    ):
        code, out, err = cli(capsys, "pack", named)
        assert (code, out) == (1, "")
        assert said in err
    for out_, said in ((tmp_path / "folder", "is a folder"), (tmp_path / "no" / "x.zip", "cannot be written")):
        code, _, err = cli(capsys, "pack", "uec", "--out", out_)
        assert code == 1
        assert said in err
    assert not list(tmp_path.rglob("*.new"))


def test_an_archive_is_written_whole_or_not_at_all(bench, tmp_path, monkeypatch):
    target = tmp_path / "x.zip"
    before = packing.pack("uec", target).path.read_bytes()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    with pytest.raises(RunError, match="No space left"):
        packing.pack("uec", target)
    assert target.read_bytes() == before
    assert [p.name for p in tmp_path.glob(".*")] == []


@pytest.mark.parametrize("name", ["a:b.html", "a\\b.html", "a\nb", ".hidden", "a.", "<x>.html", "é.html"])
def test_names_that_are_not_safe_everywhere_are_refused(bench, name):
    folder = report(bench, catalogue.open_study("uec"))
    try:
        (folder / name).write_text("x", encoding="utf-8")
    except OSError:
        pytest.skip("this system has no such name")
    with pytest.raises(RunError, match="not safe"):
        packing.pack("uec")


def test_a_link_out_of_the_report_is_not_followed(bench, tmp_path):
    folder = report(bench, catalogue.open_study("uec"))
    (tmp_path / "secret.txt").write_text("secret words", encoding="utf-8")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    assert b"secret words" not in b"".join(read(packing.pack("uec").path).values())


@pytest.mark.parametrize(
    "text",
    [
        "source: {path: a.csv, reader: csv} # path: a.csv\n",
        "# path\nsource:\n  path: >-\n    a.csv\n  reader: csv\n",
        'source:\n  path: "a.csv"\n  reader: csv\n',
        "source:\r\n  path: a.csv   # why\r\n  reader: csv\r\n",
    ],
)
@pytest.mark.parametrize("value", ["../../data/x.csv", "it's: {a} # b", "é"])
def test_only_the_named_value_is_replaced(tmp_path, text, value):
    path = tmp_path / "p.yml"
    path.write_bytes(text.encode())
    new = with_texts(path, {("source", "path"): value})
    assert yaml.safe_load(new) == {"source": {"path": value, "reader": "csv"}}
    assert new.count("#") - value.count("#") == text.count("#")
    with pytest.raises(StudyError, match="no plain value"):
        with_texts(path, {("rollout", "path"): value})
