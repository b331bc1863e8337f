"""A stand-in for the Lambda base image, made of this machine's Python, for where no image can be pulled.

It holds what a function of ours meets in the real one: the interpreter in ``/var/lang``, the runtime client in
``/var/runtime``, a shell, certificates, and the shared libraries that ``ldd`` names. It is for trying events, not for
measuring: the real image is Amazon Linux.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

REPOSITORY = "public.ecr.aws/lambda/python"
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
RUNTIME_PACKAGES = ("awslambdaric", "simplejson", "snapshot-restore-py")

_TOOLS = ["bash", "sh", "env", "mv", "cp", "rm", "chmod", "mkdir", "ls", "cat", "ln", "uname", "sleep"]
_LEFT_OUT = shutil.ignore_patterns(
    "test", "tests", "__pycache__", "*.a", "config-3*", "site-packages", "idlelib", "tkinter", "ensurepip", "share"
)
# What wheels of the layers ask for beyond what the interpreter does.
_EXTRA_LIBRARIES = (
    *("libgcc_s.so.1", "libstdc++.so.6", "librt.so.1", "libpthread.so.0", "libdl.so.2", "libm.so.6"),
    *("libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2"),
)
_SETTINGS = (
    "ENV PATH=/var/lang/bin:/usr/local/bin:/usr/bin:/bin:/opt/bin",
    "ENV LD_LIBRARY_PATH=/var/lang/lib:/usr/lib64:/usr/lib:/var/runtime:/var/task:/opt/lib",
    "ENV LANG=C.UTF-8",
    "ENV LAMBDA_TASK_ROOT=/var/task",
    "ENV LAMBDA_RUNTIME_DIR=/var/runtime",
    "ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt",
    "WORKDIR /var/task",
    'ENTRYPOINT ["/lambda-entrypoint.sh"]',
)
_BOOTSTRAP = f"""#!/bin/sh
export AWS_EXECUTION_ENV=AWS_Lambda_python{VERSION}
export PYTHONPATH="/var/task:/opt/python:/var/runtime"
exec /var/lang/bin/python{VERSION} -m awslambdaric "$_HANDLER"
"""
_ENTRYPOINT = """#!/bin/sh
export _HANDLER="$1"
[ -n "$AWS_LAMBDA_RUNTIME_API" ] && exec /var/runtime/bootstrap
exec /usr/local/bin/aws-lambda-rie /var/runtime/bootstrap
"""


class Unmakeable(Exception):
    """This machine has not what the image is made of; the message says what is missing."""


def architecture() -> str:
    """This machine's processor, as Lambda calls it."""
    return "arm64" if platform.machine().lower() in ("arm64", "aarch64") else "x86_64"


def tag() -> str:
    """The image that ``sam local`` asks for on this machine."""
    return f"{REPOSITORY}:{VERSION}-{architecture()}"


def make() -> None:
    """Make the image and give it the name of the real one.

    Raises
    ------
    Unmakeable : not Linux, or a Python that is spread over ``/usr``.
    """
    if sys.platform != "linux" or sys.base_prefix == "/usr":
        raise Unmakeable("a stand-in image needs Linux and a Python in a folder of its own (of uv or pyenv)")
    with tempfile.TemporaryDirectory(prefix="lambda-image-") as scratch:
        root = Path(scratch)
        _lay_out(root)
        _add_libraries(root)
        changes = [argument for setting in _SETTINGS for argument in ("--change", setting)]
        with subprocess.Popen(
            ["tar", "-C", scratch, "--owner=0", "--group=0", "-c", "."], stdout=subprocess.PIPE
        ) as archive:
            subprocess.run(
                ["docker", "import", *changes, "-", tag()], stdin=archive.stdout, stdout=subprocess.DEVNULL, check=True
            )


def _lay_out(root: Path) -> None:
    for folder in ("var/lang", "var/runtime", "var/task", "opt/python", "tmp", "etc/ssl/certs", "usr/bin", "usr/lib"):
        (root / folder).mkdir(parents=True)
    (root / "usr/lib64").mkdir()
    (root / "tmp").chmod(0o1777)
    for name in ("bin", "lib", "lib64"):
        (root / name).symlink_to(f"usr/{name}")
    shutil.copytree(sys.base_prefix, root / "var/lang", symlinks=True, ignore=_LEFT_OUT, dirs_exist_ok=True)
    (root / f"var/lang/lib/python{VERSION}/site-packages").mkdir(exist_ok=True)
    for tool in _TOOLS:
        if found := shutil.which(tool, path="/usr/bin:/bin"):
            shutil.copy2(found, root / "usr/bin" / tool)
    for package in RUNTIME_PACKAGES:
        for file in importlib.metadata.files(package) or ():
            if ".." not in file.parts:
                target = root / "var/runtime" / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(os.fspath(file.locate()), target)
    _script(root / "var/runtime/bootstrap", _BOOTSTRAP)
    _script(root / "lambda-entrypoint.sh", _ENTRYPOINT)
    certificates = ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"
    shutil.copy(certificates, root / "etc/ssl/certs/ca-certificates.crt")
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nsbx_user1051:x:993:990::/tmp:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\nsbx:x:990:\n")
    (root / "etc/nsswitch.conf").write_text("hosts: files dns\n")


def _script(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def _add_libraries(root: Path) -> None:
    programs = [
        path
        for path in root.rglob("*")
        if path.is_file() and not path.is_symlink() and (".so" in path.name or os.access(path, os.X_OK))
    ]
    listed = subprocess.run(["ldd", *map(str, programs)], capture_output=True, text=True).stdout
    known = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True).stdout
    needed = {*re.findall(r"(?:=> )?(/\S+) \(0x", listed), *_named(known, _EXTRA_LIBRARIES)}
    for library in sorted(needed):
        if library.startswith((str(root), sys.base_prefix)):
            continue
        # The loader's place is written into every program.
        target = root / library.lstrip("/") if "ld-linux" in library else root / "usr/lib" / Path(library).name
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            shutil.copy2(library, target)


def _named(known: str, libraries: Iterable[str]) -> set[str]:
    found = (re.search(rf"{re.escape(name)} .*=> (\S+)", known) for name in libraries)
    return {match[1] for match in found if match}
