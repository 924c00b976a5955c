"""One file over the network: whole and checked, or not at all."""

import errno
import gc
import hashlib
import os
import socket
from pathlib import Path

import pytest

from lstm_textgen.corpora.download import download
from lstm_textgen.errors import (
    ConfigError,
    CorpusError,
    OutputError,
    StorageError,
    UnavailableError,
)

TEXT = b"".join(b"%d green bottles\n" % n for n in range(600))
OTHER = TEXT[::-1]
AT_ONCE = (0.0, 0.0, 0.0)


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def fetch_text(server, target, **changes):
    """Fetch TEXT from /text, with its size and digest declared."""
    server.files.setdefault("/text", TEXT)
    wanted = {"size": len(TEXT), "sha256": sha256(TEXT), "pauses_s": AT_ONCE}
    return download(f"{server.address}/text", target, **(wanted | changes))


def left(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_arrives_under_its_name_and_nothing_else_stays(server, tmp_path):
    """The bytes, their digest and their number are right; .part and tag are gone."""
    seen = []
    fetched = fetch_text(
        server, tmp_path / "deep" / "text", progress=lambda *p: seen.append(p)
    )

    assert fetched.path.read_bytes() == TEXT
    assert (fetched.size_bytes, fetched.sha256) == (len(TEXT), sha256(TEXT))
    assert left(tmp_path / "deep") == ["text"]
    assert seen == sorted(seen)
    assert seen[-1] == (len(TEXT), len(TEXT))


@pytest.mark.parametrize("mood", ["chunked", "untagged"])
def test_size_and_digest_may_be_unknown(server, tmp_path, mood):
    """Without either, what the server sends to its end is taken."""
    server.moods.append(mood)
    fetched = fetch_text(server, tmp_path / "text", size=None, sha256=None)

    assert fetched.path.read_bytes() == TEXT
    assert fetched.sha256 == sha256(TEXT)


def test_a_right_file_is_not_fetched_again(server, tmp_path):
    """A file with the digest costs no request; another one is replaced."""
    target = tmp_path / "text"
    target.write_bytes(OTHER)
    fetch_text(server, target)
    fetch_text(server, target)

    assert target.read_bytes() == TEXT
    assert len(server.requests) == 1


@pytest.mark.parametrize("mood", ["cut", "chunked cut", "endless"])
def test_a_break_is_resumed_and_no_byte_comes_twice(server, tmp_path, mood):
    """The second request asks for the rest of the same version, and only that."""
    server.moods.append(mood)
    fetched = fetch_text(server, tmp_path / "text")
    (_, first), (_, second) = server.requests

    assert fetched.path.read_bytes() == TEXT
    assert (first["Range"], first["If-Range"]) == (None, None)
    assert second["Range"] == f"bytes={server.cut_at}-"
    assert second["If-Range"] == f'"{hashlib.sha1(TEXT).hexdigest()}"'
    assert server.sent == len(TEXT)
    assert left(tmp_path) == ["text"]


def test_after_three_further_breaks_the_rest_waits_for_the_next_call(server, tmp_path):
    """The .part is kept, the error says so, and the next call goes on from it."""
    server.always = "cut"
    with pytest.raises(UnavailableError) as caught:
        fetch_text(server, tmp_path / "text")

    assert caught.value.exit_code == 69
    assert f"after 4,000 of {len(TEXT):,} bytes" in caught.value.problem
    assert "same command again" in caught.value.remedy
    assert len(server.requests) == 4
    assert left(tmp_path) == ["text.part", "text.part.etag"]
    assert (tmp_path / "text.part").read_bytes() == TEXT[:4000]

    server.always = "fine"
    fetched = fetch_text(server, tmp_path / "text")

    assert fetched.path.read_bytes() == TEXT
    assert server.requests[-1][1]["Range"] == "bytes=4000-"
    assert server.sent == len(TEXT)
    assert left(tmp_path) == ["text"]


def test_the_pauses_between_tries_are_kept(server, tmp_path, monkeypatch):
    """As many tries as pauses, each after its own pause."""
    slept = []
    monkeypatch.setattr("time.sleep", slept.append)
    server.always = "cut"
    with pytest.raises(UnavailableError):
        fetch_text(server, tmp_path / "text", pauses_s=(0.5, 2.0))

    assert slept == [0.5, 2.0]
    assert len(server.requests) == 3


def test_a_server_that_ignores_the_range_restarts(server, tmp_path):
    """An answer 200 is the whole file and never appended."""
    (tmp_path / "text.part").write_bytes(TEXT[:700])
    server.moods.append("rangeless")

    assert fetch_text(server, tmp_path / "text").path.read_bytes() == TEXT
    assert server.requests[0][1]["Range"] == "bytes=700-"
    assert server.sent == len(TEXT)


def test_a_renewed_file_is_not_mixed_with_the_old_one(server, tmp_path):
    """If-Range makes the server start over when its version is a new one."""
    server.files["/text"] = OTHER
    server.always = "cut"
    with pytest.raises(UnavailableError):
        fetch_text(server, tmp_path / "text", size=None, sha256=None)
    server.always = "fine"
    server.files["/text"] = TEXT
    fetched = fetch_text(server, tmp_path / "text", size=None, sha256=None)

    assert server.requests[-1][1]["Range"] == "bytes=4000-"
    assert fetched.path.read_bytes() == TEXT


def test_without_digest_and_tag_nothing_is_resumed(server, tmp_path):
    """Then nothing could tell a mixture of two versions from the file."""
    (tmp_path / "text.part").write_bytes(OTHER[:700])

    assert fetch_text(server, tmp_path / "text", sha256=None).path.read_bytes() == TEXT
    assert server.requests[0][1]["Range"] is None


def test_a_part_that_is_whole_needs_no_bytes(server, tmp_path):
    """By its size it needs no request, and without one a 416 tells it."""
    (tmp_path / "known.part").write_bytes(TEXT)
    (tmp_path / "unknown.part").write_bytes(TEXT)
    fetch_text(server, tmp_path / "known")

    assert server.requests == []

    fetch_text(server, tmp_path / "unknown", size=None)

    assert len(server.requests) == 1
    assert server.sent == 0
    assert left(tmp_path) == ["known", "unknown"]


def test_a_part_that_is_too_long_is_thrown_away(server, tmp_path):
    """By the declared size at once, or by a 416 when there is none."""
    (tmp_path / "known.part").write_bytes(TEXT + b"more")
    (tmp_path / "unknown.part").write_bytes(TEXT + b"more")

    assert fetch_text(server, tmp_path / "known").path.read_bytes() == TEXT
    assert fetch_text(server, tmp_path / "unknown", size=None).sha256 == sha256(TEXT)
    assert [headers["Range"] for _, headers in server.requests] == [
        None,
        f"bytes={len(TEXT) + 4}-",
        None,
    ]


def test_wrong_bytes_of_the_right_length_are_removed(server, tmp_path):
    """The error names both digests, and what was there before is untouched."""
    (tmp_path / "text").write_bytes(b"before")
    server.files["/text"] = OTHER
    with pytest.raises(CorpusError) as caught:
        fetch_text(server, tmp_path / "text")

    assert caught.value.exit_code == 65
    assert sha256(TEXT) in caught.value.problem
    assert sha256(OTHER) in caught.value.problem
    assert left(tmp_path) == ["text"]
    assert (tmp_path / "text").read_bytes() == b"before"


@pytest.mark.parametrize("mood", ["fine", "chunked"])
@pytest.mark.parametrize("content", [TEXT[:-1], TEXT + b"!", TEXT * 200])
def test_another_length_is_refused_and_not_stored(server, tmp_path, content, mood):
    """Too long or too short, declared or not; never more than the size is kept."""
    seen = []
    server.files["/text"] = content
    server.moods.append(mood)
    with pytest.raises(CorpusError) as caught:
        fetch_text(
            server, tmp_path / "text", progress=lambda done, _: seen.append(done)
        )

    assert f"{len(TEXT):,}" in caught.value.problem
    assert left(tmp_path) == []
    assert max(seen, default=0) <= len(TEXT)
    if mood == "fine":
        assert seen == []  # the header told, so no byte was read


@pytest.mark.parametrize("status", ["403", "404", "500", "503"])
def test_a_refusal_is_told_with_its_status(server, tmp_path, status, unhurried):
    """One request, exit code 69, nothing stored."""
    server.always = status
    with pytest.raises(UnavailableError) as caught:
        fetch_text(server, tmp_path / "text")

    assert caught.value.exit_code == 69
    assert f"/text answered {status} " in caught.value.problem
    assert len(server.requests) == 1
    assert left(tmp_path) == []


def test_an_unreachable_server_is_told_at_once(tmp_path, server, unhurried):
    """Nobody listens on a port that was just closed."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(UnavailableError, match=r"127.0.0.1:\d+ cannot be reached: "):
        download(
            f"http://127.0.0.1:{port}/text", tmp_path / "text", size=1, sha256=None
        )


def test_an_unknown_host_is_told_at_once(tmp_path, server, monkeypatch, unhurried):
    """The name of the host and the reason are in the message."""

    def nowhere(*args, **kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    with pytest.raises(UnavailableError, match=r"a\.invalid cannot .*not known"):
        download("http://a.invalid/text", tmp_path / "text", size=1, sha256=None)


def test_a_silent_server_runs_into_the_timeout(server, tmp_path, unhurried):
    """No answer within timeout_s is as good as no server."""
    server.always = "silent"
    with pytest.raises(UnavailableError, match="timed out"):
        fetch_text(server, tmp_path / "text", timeout_s=0.1)


def test_a_server_that_is_gone_after_a_break_counts_as_a_try(server, tmp_path):
    """Once bytes have come, a refusal to connect is waited for as well."""
    server.moods.extend(["cut", "silent", "fine"])

    fetched = fetch_text(server, tmp_path / "text", timeout_s=0.1)

    assert fetched.path.read_bytes() == TEXT
    assert server.sent == len(TEXT)


def test_a_redirect_is_followed_and_keeps_the_range(server, tmp_path):
    """The rest is asked for where the redirect leads."""
    (tmp_path / "text.part").write_bytes(TEXT[:700])
    server.moods.append("to /moved")
    server.files["/moved"] = TEXT

    assert fetch_text(server, tmp_path / "text").path.read_bytes() == TEXT
    assert [path for path, _ in server.requests] == ["/text", "/moved"]
    assert server.sent == len(TEXT) - 700


@pytest.mark.parametrize("place", ["ftp://127.0.0.1/text", "file:///etc/hostname"])
def test_a_redirect_leads_only_to_the_web(server, tmp_path, place, unhurried):
    """Neither ftp nor a file of this machine can be reached by a redirect."""
    server.moods.append(f"to {place}")
    with pytest.raises(UnavailableError, match="302") as caught:
        fetch_text(server, tmp_path / "text")

    assert place in caught.value.problem
    assert left(tmp_path) == []


@pytest.mark.parametrize("address", ["file:///etc/hostname", "ftp://a/b", "text8"])
def test_only_web_addresses_are_taken(tmp_path, address):
    """The address is checked before anything is done."""
    with pytest.raises(ConfigError, match=r"http or https"):
        download(address, tmp_path / "text", size=None, sha256=None)

    assert left(tmp_path) == []


def test_a_web_page_is_refused_where_nothing_else_could_tell(server, tmp_path):
    """Without size and digest; with them, the page may well be the file."""
    server.always = "html"
    with pytest.raises(CorpusError, match="web page"):
        fetch_text(server, tmp_path / "text", size=None, sha256=None)

    assert left(tmp_path) == []
    assert fetch_text(server, tmp_path / "text").path.read_bytes() == TEXT


def test_an_unwritable_place_is_told_as_such(server, tmp_path):
    """A file where the folder should be: exit code 73, and no request."""
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(OutputError) as caught:
        fetch_text(server, tmp_path / "taken" / "text")

    assert caught.value.exit_code == 73
    assert server.requests == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_told_as_such(server, tmp_path):
    """The .part on a device that is always full: exit code 74."""
    (tmp_path / "text.part").symlink_to("/dev/full")
    with pytest.raises(StorageError, match="No space left") as caught:
        fetch_text(server, tmp_path / "text")

    assert caught.value.exit_code == 74
    assert not (tmp_path / "text").exists()


def test_a_disk_that_fails_at_the_last_moment_leaves_no_file(
    server, tmp_path, monkeypatch
):
    """Without a successful fsync the name is not given, and the .part stays."""

    def fsync(descriptor):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(StorageError):
        fetch_text(server, tmp_path / "text")

    assert left(tmp_path) == ["text.part", "text.part.etag"]


def test_no_socket_stays_open(server, tmp_path, unhurried):
    """Refusals close their connection too: warnings are errors here."""
    server.moods.extend(["404", "html", "to ftp://a/b"])
    for error in (UnavailableError, CorpusError, UnavailableError):
        with pytest.raises(error):
            fetch_text(server, tmp_path / "text", size=None, sha256=None)
    gc.collect()

    assert len(server.requests) == 3
