"""One file over the network: whole and checked, or not at all."""

import errno
import gc
import hashlib
import os
import socket
from pathlib import Path

import pytest

from lstm_textgen.corpora.download import RETRY_PAUSES_S, Expected, download
from lstm_textgen.errors import (
    ConfigError,
    CorpusError,
    OutputError,
    StorageError,
    UnavailableError,
)
from tests.loopback import OTHER, TEXT, names_in, sha256

THIS_TEXT = Expected(size_bytes=len(TEXT), sha256=sha256(TEXT))
ANY = Expected()

pytestmark = pytest.mark.usefixtures("pauses")


def download_text(server, target, expected=THIS_TEXT, **more):
    """Download /text from *server*; the content of the file."""
    digest = download(f"{server.address}/text", target, expected, **more)
    content = target.read_bytes()
    assert digest == sha256(content)
    return content


def test_a_file_arrives_under_its_name_and_nothing_else_stays(server, tmp_path):
    """The progress rises to the size; .part and tag are gone."""
    target, seen = tmp_path / "deep" / "text", []
    content = download_text(server, target, progress=lambda *p: seen.append(p))

    assert content == TEXT
    assert names_in(target.parent) == ["text"]
    assert seen == sorted(seen)
    assert seen[-1] == (len(TEXT), len(TEXT))


@pytest.mark.parametrize("mood", ["chunked", "untagged"])
def test_size_and_digest_may_be_unknown(server, tmp_path, mood):
    """Without either, everything that the server sends is accepted."""
    server.moods.append(mood)

    assert download_text(server, tmp_path / "text", ANY) == TEXT


def test_the_right_file_is_not_downloaded_again(server, tmp_path):
    """A file with the digest costs no request; any other one is replaced."""
    target = tmp_path / "text"
    target.write_bytes(OTHER)

    assert download_text(server, target) == TEXT
    assert download_text(server, target) == TEXT
    assert len(server.requests) == 1


@pytest.mark.parametrize("mood", ["cut", "chunked cut", "endless"])
def test_a_break_is_resumed_and_no_byte_comes_twice(server, tmp_path, mood):
    """The second request is for the rest of the same version, and only that."""
    server.moods.append(mood)

    assert download_text(server, tmp_path / "text") == TEXT
    (_, first), (_, second) = server.requests
    assert (first["Range"], first["If-Range"]) == (None, None)
    assert second["Range"] == f"bytes={server.cut_at}-"
    assert second["If-Range"] == f'"{hashlib.sha1(TEXT).hexdigest()}"'
    assert server.sent == len(TEXT)
    assert names_in(tmp_path) == ["text"]


def test_after_as_many_retries_as_pauses_the_next_call_resumes(
    server, tmp_path, pauses
):
    """The .part is kept, and the error names how much of it has arrived."""
    server.default_mood = "cut"
    with pytest.raises(UnavailableError) as caught:
        download_text(server, tmp_path / "text")

    assert tuple(pauses) == RETRY_PAUSES_S
    assert len(server.requests) == 4
    assert f"4,000 of {len(TEXT):,} bytes" in caught.value.problem
    assert names_in(tmp_path) == ["text.part", "text.part.etag"]
    assert (tmp_path / "text.part").read_bytes() == TEXT[:4000]

    server.default_mood = "fine"

    assert download_text(server, tmp_path / "text") == TEXT
    assert server.requests[-1][1]["Range"] == "bytes=4000-"
    assert server.sent == len(TEXT)
    assert names_in(tmp_path) == ["text"]


def test_a_server_that_ignores_the_range_starts_over(server, tmp_path):
    """A response 200 is the whole file and never appended."""
    (tmp_path / "text.part").write_bytes(TEXT[:700])
    server.moods.append("rangeless")

    assert download_text(server, tmp_path / "text") == TEXT
    assert server.requests[0][1]["Range"] == "bytes=700-"


def test_a_renewed_file_is_not_mixed_with_the_old_one(server, tmp_path):
    """If-Range makes the server start over when its version is a new one."""
    server.files["/text"] = OTHER
    server.default_mood = "cut"
    with pytest.raises(UnavailableError):
        download_text(server, tmp_path / "text", ANY)
    server.default_mood = "fine"
    server.files["/text"] = TEXT

    assert download_text(server, tmp_path / "text", ANY) == TEXT
    assert server.requests[-1][1]["Range"] == "bytes=4000-"


def test_without_digest_and_tag_nothing_is_resumed(server, tmp_path):
    """Then nothing could tell a mixture of two versions from the file."""
    (tmp_path / "text.part").write_bytes(OTHER[:700])
    by_size = Expected(size_bytes=len(TEXT))

    assert download_text(server, tmp_path / "text", by_size) == TEXT
    assert server.requests[0][1]["Range"] is None


@pytest.mark.parametrize(
    ("part", "size_bytes", "ranges"),
    [
        (TEXT, len(TEXT), []),
        (TEXT, None, [f"bytes={len(TEXT)}-"]),
        (TEXT + b"more", len(TEXT), [None]),
        (TEXT + b"more", None, [f"bytes={len(TEXT) + 4}-", None]),
    ],
    ids=["whole", "whole-416", "too-long", "too-long-416"],
)
def test_a_part_that_is_whole_or_too_long(server, tmp_path, part, size_bytes, ranges):
    """The declared size decides at once; where there is none, a 416 does."""
    (tmp_path / "text.part").write_bytes(part)
    expected = Expected(size_bytes=size_bytes, sha256=sha256(TEXT))

    assert download_text(server, tmp_path / "text", expected) == TEXT
    assert [headers["Range"] for _, headers in server.requests] == ranges
    assert server.sent == (0 if part == TEXT else len(TEXT))
    assert names_in(tmp_path) == ["text"]


def test_wrong_bytes_of_the_right_length_are_removed(server, tmp_path):
    """The error names both digests, and what was there before is untouched."""
    (tmp_path / "text").write_bytes(b"before")
    server.files["/text"] = OTHER
    with pytest.raises(CorpusError) as caught:
        download_text(server, tmp_path / "text")

    assert sha256(TEXT) in caught.value.problem
    assert sha256(OTHER) in caught.value.problem
    assert names_in(tmp_path) == ["text"]
    assert (tmp_path / "text").read_bytes() == b"before"


@pytest.mark.parametrize("mood", ["fine", "chunked"])
@pytest.mark.parametrize("content", [TEXT[:-1], TEXT + b"!", TEXT * 200])
def test_another_length_is_refused_and_not_stored(server, tmp_path, content, mood):
    """Too long or too short, declared or not; never more than the size is kept."""
    seen = []
    server.files["/text"] = content
    server.moods.append(mood)
    with pytest.raises(CorpusError) as caught:
        download_text(
            server, tmp_path / "text", progress=lambda done, _: seen.append(done)
        )

    assert f"{len(TEXT):,}" in caught.value.problem
    assert names_in(tmp_path) == []
    assert max(seen, default=0) <= len(TEXT)
    if mood == "fine":
        assert seen == []  # the header was enough, so no byte was read


@pytest.mark.parametrize("status", ["403", "404", "500", "503"])
def test_a_refusal_is_final(server, tmp_path, status):
    """One request, nothing stored, and the error names address and status."""
    server.default_mood = status
    with pytest.raises(UnavailableError) as caught:
        download_text(server, tmp_path / "text")

    assert f"{server.address}/text answered {status} " in caught.value.problem
    assert len(server.requests) == 1
    assert names_in(tmp_path) == []


def test_an_unreachable_server_is_not_waited_for(server, tmp_path, pauses):
    """Nobody listens on a port that was just closed."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        closed = f"127.0.0.1:{probe.getsockname()[1]}"
    with pytest.raises(UnavailableError, match=closed):
        download(f"http://{closed}/text", tmp_path / "text", ANY)

    assert pauses == []


def test_a_silent_server_runs_into_the_timeout(server, tmp_path, monkeypatch, pauses):
    """It is as good as no server, but waited for once bytes have arrived."""
    monkeypatch.setattr("lstm_textgen.corpora.download.TIMEOUT_S", 0.1)
    server.moods.extend(["silent", "cut", "silent", "fine"])
    with pytest.raises(UnavailableError, match="timed out"):
        download_text(server, tmp_path / "text")

    assert pauses == []
    assert download_text(server, tmp_path / "text") == TEXT
    assert server.sent == len(TEXT)


def test_a_redirect_is_followed_and_keeps_the_range(server, tmp_path):
    """The rest is requested from where the redirect leads."""
    (tmp_path / "text.part").write_bytes(TEXT[:700])
    server.moods.append("to /moved")
    server.files["/moved"] = TEXT

    assert download_text(server, tmp_path / "text") == TEXT
    assert [path for path, _ in server.requests] == ["/text", "/moved"]
    assert server.sent == len(TEXT) - 700


@pytest.mark.parametrize("place", ["ftp://127.0.0.1/text", "file:///etc/hostname"])
def test_a_redirect_leads_only_to_the_web(server, tmp_path, place):
    """Neither ftp nor a file of this machine can be reached by a redirect."""
    server.moods.append(f"to {place}")
    with pytest.raises(UnavailableError) as caught:
        download_text(server, tmp_path / "text")

    assert place in caught.value.problem
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("address", ["file:///etc/hostname", "ftp://a/b", "text8"])
def test_only_web_addresses_are_accepted(tmp_path, address):
    """The address is checked before anything is done."""
    with pytest.raises(ConfigError) as caught:
        download(address, tmp_path / "text", ANY)

    assert repr(address) in caught.value.problem
    assert names_in(tmp_path) == []


def test_a_web_page_is_refused_where_nothing_else_can_tell(server, tmp_path):
    """Without size and digest; with them, the page may well be the file."""
    server.default_mood = "html"
    with pytest.raises(CorpusError, match=f"{server.address}/text"):
        download_text(server, tmp_path / "text", ANY)

    assert names_in(tmp_path) == []
    assert download_text(server, tmp_path / "text") == TEXT


def test_a_place_that_cannot_be_written(server, tmp_path):
    """A file stands where the folder should be: no request is made."""
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(OutputError):
        download_text(server, tmp_path / "taken" / "text")

    assert server.requests == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk(server, tmp_path):
    """The .part lies on a device that is always full."""
    (tmp_path / "text.part").symlink_to("/dev/full")
    with pytest.raises(StorageError):
        download_text(server, tmp_path / "text")

    assert not (tmp_path / "text").exists()


def test_a_disk_that_fails_at_the_last_moment_leaves_no_file(
    server, tmp_path, monkeypatch
):
    """Without a successful fsync the file gets no name, and the .part stays."""

    def fsync(descriptor):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(StorageError):
        download_text(server, tmp_path / "text")

    assert names_in(tmp_path) == ["text.part", "text.part.etag"]


def test_no_socket_stays_open(server, tmp_path):
    """Refusals close their connection too: warnings are errors here."""
    server.moods.extend(["404", "html", "to ftp://a/b"])
    for error in (UnavailableError, CorpusError, UnavailableError):
        with pytest.raises(error):
            download_text(server, tmp_path / "text", ANY)
    gc.collect()

    assert len(server.requests) == 3
