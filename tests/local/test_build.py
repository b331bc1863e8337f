from __future__ import annotations

import gzip
import importlib.util
import json
import shutil
import struct
from pathlib import Path

import botocore.loaders
import botocore.session
import pytest

import build

DESCRIPTION = {
    "operations": {"PutItem": {"name": "PutItem", "documentation": "<p>Much prose.</p>" * 100}},
    "shapes": {"Doc": {"members": {"documentation": {"shape": "Text", "documentation": "<p>A member.</p>"}}}},
}


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """What ``sam build`` leaves: one layer, one function."""
    data = tmp_path / "Deps" / "python" / "botocore" / "data"
    for service in ("dynamodb", "quicksight"):
        (data / service).mkdir(parents=True)
        (data / service / "service-2.json.gz").write_bytes(gzip.compress(json.dumps(DESCRIPTION).encode()))
        (data / service / "examples-1.json").write_text("{}")
    endpoints = {"partitions": [{"services": {"dynamodb": {"endpoints": {}}, "quicksight": {}, "email": {}}}]}
    (data / "endpoints.json").write_text(json.dumps(endpoints))
    (tmp_path / "Deps" / "python" / "botocore" / "session.py").write_text("def get_session(): return 1\n")
    stale = tmp_path / "IngestFunction" / "__pycache__"
    stale.mkdir(parents=True)
    (stale / "app.cpython-312.pyc").write_bytes(b"old")
    (tmp_path / "IngestFunction" / "app.py").write_text("def handler(event, context): return 1 / 0\n")
    (tmp_path / "template.yaml").write_text("Resources: {}\n")
    return tmp_path


def compiled(source: Path) -> bytes:
    return Path(importlib.util.cache_from_source(str(source))).read_bytes()


def test_only_services_in_use_are_shipped(built: Path) -> None:
    build.finish(built)
    data = built / "Deps" / "python" / "botocore" / "data"
    assert {path.name for path in data.iterdir()} == {"dynamodb", "endpoints.json"}


def test_descriptions_of_services_are_shipped_without_prose_and_are_otherwise_the_same(built: Path) -> None:
    build.finish(built)
    data = built / "Deps" / "python" / "botocore" / "data"
    assert [path.name for path in (data / "dynamodb").iterdir()] == ["service-2.json"]
    assert json.loads((data / "dynamodb" / "service-2.json").read_text()) == {
        "operations": {"PutItem": {"name": "PutItem"}},
        "shapes": {"Doc": {"members": {"documentation": {"shape": "Text"}}}},
    }
    (partition,) = json.loads((data / "endpoints.json").read_text())["partitions"]
    assert set(partition["services"]) == {"dynamodb", "email"}


def test_byte_code_is_shipped_and_never_checked_against_its_source(built: Path) -> None:
    build.finish(built)
    for source in (built / "IngestFunction" / "app.py", built / "Deps" / "python" / "botocore" / "session.py"):
        # PEP 552: bit 0 says the file holds a hash, bit 1 that it is to be checked.
        assert struct.unpack("<I", compiled(source)[4:8]) == (0b01,)


def test_tracebacks_name_the_place_in_the_function(built: Path) -> None:
    build.finish(built)
    assert b"/var/task/app.py" in compiled(built / "IngestFunction" / "app.py")
    assert b"/opt/python/botocore/session.py" in compiled(built / "Deps" / "python" / "botocore" / "session.py")


def test_byte_code_of_another_python_stays_behind(built: Path) -> None:
    build.finish(built)
    assert not list(built.rglob("*.cpython-312.pyc"))


def test_finishing_twice_is_finishing_once(built: Path) -> None:
    assert build.finish(built) == build.finish(built)


def test_a_function_weighs_what_it_and_all_layers_weigh(built: Path) -> None:
    weights = build.finish(built)
    assert build.heaviest(built, weights) == weights["Deps"] + weights["IngestFunction"]


def test_what_does_not_compile_is_not_built(built: Path) -> None:
    (built / "IngestFunction" / "app.py").write_text("def handler(:\n")
    with pytest.raises(SystemExit, match="IngestFunction does not compile"):
        build.finish(built)


def test_what_reading_parquet_does_not_load_stays_behind(built: Path) -> None:
    arrow = built / "Arrow" / "python" / "pyarrow"
    (arrow / "tests").mkdir(parents=True)
    for name in (
        "tests/test_a.py",
        "libarrow_flight.so.2600",
        "_s3fs.so",
        "_s3fs.pyx",
        "lib.pxd",
        "libarrow.so.2600",
        "parquet.py",
    ):
        (arrow / name).write_text("")
    build.finish(built)
    assert {path.name for path in arrow.iterdir()} == {"libarrow.so.2600", "parquet.py", "__pycache__"}


def test_what_is_shipped_of_s3_is_enough_to_call_it(tmp_path: Path) -> None:
    data = tmp_path / "Deps" / "python" / "botocore" / "data"
    shipped = Path(botocore.__file__).parent / "data"
    data.mkdir(parents=True)
    shutil.copytree(shipped / "s3", data / "s3")
    for name in ("endpoints.json", "partitions.json", "_retry.json", "sdk-default-configuration.json"):
        shutil.copy(shipped / name, data / name)
    build.finish(tmp_path)
    session = botocore.session.Session()
    session.register_component("data_loader", botocore.loaders.Loader([str(data)], include_default_search_paths=False))
    client = session.create_client("s3", "eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
    url = client.generate_presigned_url("put_object", Params={"Bucket": "imports", "Key": "a"})
    assert "/a?" in url
