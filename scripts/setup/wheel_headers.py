"""Headers out of wheels, without downloading the wheels: only the parts of the archive that hold them are read.

usage: python3 wheel_headers.py FOLDER REQUIREMENT PREFIX [REQUIREMENT PREFIX]...
Writes every *.h below PREFIX/ of each wheel to FOLDER. A requirement is one of pip's, which says where the wheel is, or an address.
"""

import io
import json
import os
import shutil
import subprocess
import sys
import urllib.request
import zipfile


class NoRanges(Exception):
    """Not an OSError: zipfile would take that for a damaged archive."""


class RemoteFile(io.RawIOBase):
    """A file behind a web address, read range by range."""

    def __init__(self, url):
        self.url = url
        self.position = 0
        request = urllib.request.Request(url, method="HEAD")
        with urllib.request.urlopen(request, timeout=30) as answer:
            self.size = int(answer.headers["Content-Length"])

    def seekable(self):
        return True

    def readable(self):
        return True

    def tell(self):
        return self.position

    def seek(self, offset, whence=io.SEEK_SET):
        self.position = offset + (0, self.position, self.size)[whence]
        return self.position

    def readinto(self, buffer):
        end = min(self.position + len(buffer), self.size)
        if end <= self.position:
            return 0
        request = urllib.request.Request(self.url, headers={"Range": f"bytes={self.position}-{end - 1}"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            if answer.status != 206:
                raise NoRanges(f"{self.url}: the server gives whole files only")
            data = answer.read()
        buffer[: len(data)] = data
        self.position += len(data)
        return len(data)


def address_of(requirement):
    """Headers are the same on every platform, so one wheel does for all."""
    if requirement.startswith("http"):
        return requirement
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--dry-run", "--report", "-", "--no-deps", "--ignore-installed", "--target", "unused"]
    command += ["--only-binary", ":all:", "--platform", "manylinux_2_28_x86_64", "--platform", "manylinux_2_27_x86_64"]
    command += ["--python-version", "3.11", requirement]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise OSError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "pip failed")
    return json.loads(done.stdout)["install"][0]["download_info"]["url"]


def extract(url, prefix, folder):
    with zipfile.ZipFile(io.BufferedReader(RemoteFile(url), 1 << 19)) as wheel:
        names = [n for n in wheel.namelist() if n.startswith(prefix + "/") and n.endswith((".h", ".hpp"))]
        if not names:
            raise OSError(f"{url}: no headers below {prefix}/")
        for name in names:
            path = os.path.join(folder, *name[len(prefix) + 1 :].split("/"))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(wheel.read(name))


def main(folder, *pairs):
    part = folder + ".part"
    shutil.rmtree(part, ignore_errors=True)
    for requirement, prefix in zip(pairs[::2], pairs[1::2], strict=True):
        extract(address_of(requirement), prefix, part)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(part, folder)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (OSError, ValueError, KeyError, subprocess.SubprocessError, zipfile.BadZipFile, NoRanges) as error:
        sys.exit(f"{type(error).__name__}: {error}")
