"""`textgen push`: three files, one commit, and nothing that says who or where."""

import hashlib
import json
import re
import socket

import pytest

FILES = {"model.safetensors", "config.json", "README.md"}


def metadata_of(model):
    """What the header of a model file says."""
    header = json.loads(model[8 : 8 + int.from_bytes(model[:8], "little")])
    return json.loads(header["__metadata__"]["lstm_textgen"])


def leaves(value):
    """All values in an object, however deep."""
    if isinstance(value, dict):
        return [leaf for child in value.values() for leaf in leaves(child)]
    return [value]


def test_three_files_and_nothing_else_of_the_folder(textgen, trained, hub, env):
    """The run holds state, log and lock too; the model arrives byte for byte."""
    assert {path.name for path in trained.run.iterdir()} > {"model.safetensors"}

    done = textgen("push", trained.run, "alice/book", env=env)

    assert done.code == 0, done.stderr
    [(commit, message, files)] = hub.commits("alice/book")
    assert done.stdout == f"hf://alice/book@{commit}\n"
    assert "textgen" in message
    assert set(files) == FILES
    assert files["model.safetensors"] == trained.model.read_bytes()
    assert not hub.repositories["alice/book"]["private"]
    assert f"{hub.address}/alice/book" in done.stderr


def test_the_command_on_the_card_generates_the_sample_on_the_card(
    textgen, trained, hub, env
):
    """Character for character, so that a reader can verify that it is this model."""
    textgen("push", trained.run, "alice/book", env=env)
    card = hub.files("alice/book")["README.md"].decode()
    command = re.search(r"^    textgen (sample hf://.*)$", card, re.MULTILINE)[1]
    sampled = textgen(*command.split(), "--quiet", env=env)

    assert sampled.code == 0, sampled.stderr
    assert f"```text\n{sampled.stdout.rstrip()}" in card


def test_settings_and_card_say_what_the_model_says(textgen, trained, hub, env):
    """config.json repeats the model's metadata, and adds the settings of the run."""
    textgen("push", trained.run, "alice/book", env=env)
    files = hub.files("alice/book")
    settings = json.loads(files["config.json"])
    metadata = metadata_of(files["model.safetensors"])
    run = settings.pop("run")
    nats = trained.outcome.json["validation_nats_per_char"]
    card = files["README.md"].decode()

    assert settings.pop("library") == "lstm-textgen"
    assert settings.items() <= metadata.items()
    assert set(metadata) - set(settings) == {"tensors_sha256", "metadata_sha256"}
    assert run == json.loads((trained.run / "run.json").read_text())["config"]
    assert f"{nats:.4f} nats" in card
    assert f"value: {nats / 0.6931471805599453:.4f}\n" in card
    assert hashlib.sha256(trained.text.read_bytes()).hexdigest() in card


def test_a_finished_run_keeps_its_settings(textgen, trained, hub, env):
    """
    Its model has learned an initial state, of which the run itself knows nothing.

    Such a card once had no windows, learning rate and dropout.
    """
    run = textgen.folder / "long"
    textgen.train(trained.text, "--steps", "40", "-o", run)
    textgen("push", run, "alice/long", env=env)
    files = hub.files("alice/long")
    settings = json.loads(files["config.json"])

    assert settings["model"]["initial_state"] == "learned"
    assert settings["run"]["budget"]["steps"] == 40
    assert "4 streams of 16 characters" in files["README.md"].decode()


def test_a_license_goes_into_all_three(textgen, trained, hub, env):
    """Into the model too, whose weights stay as they are."""
    textgen("push", trained.run, "alice/book", "--licence", "CC0-1.0", env=env)
    files = hub.files("alice/book")
    before = metadata_of(trained.model.read_bytes())
    after = metadata_of(files["model.safetensors"])

    assert after["licence"] == "CC0-1.0"
    assert json.loads(files["config.json"])["licence"] == "CC0-1.0"
    assert "\nlicense: cc0-1.0\n" in files["README.md"].decode()
    assert after["tensors_sha256"] == before["tensors_sha256"]


def test_a_file_alone_is_enough(textgen, trained, hub, env):
    """Without a run there are neither its settings nor a curve."""
    textgen.write("mine.safetensors", trained.model.read_bytes())
    words = ("--message", "First", "--language", "en")
    done = textgen("push", "mine.safetensors", "alice/mine", *words, env=env)

    assert done.code == 0, done.stderr
    [(_, message, files)] = hub.commits("alice/mine")
    assert message == "First"
    assert "run" not in json.loads(files["config.json"])
    assert "│" not in files["README.md"].decode()
    assert '\nlanguage:\n- "en"\n' in files["README.md"].decode()


def test_the_language_of_a_bundled_model_is_known(textgen, hub, env):
    """Its text is a named corpus, and the same byte for byte."""
    shown = textgen("push", "fables", "alice/fables", "--dry-run", env=env)

    assert '\nlanguage:\n- "en"\n' in shown.stdout
    assert "\nlicense: cc0-1.0\n" in shown.stdout


def test_a_dry_run_shows_everything_and_sends_nothing(textgen, trained, hub, env):
    """Files and sizes, each value of the metadata, the card: what a push then sends."""
    words = ("push", trained.run, "alice/book")
    shown = textgen(*words, "--dry-run", env=env)
    bundle = textgen(*words, "--dry-run", "--json", env=env).json
    assert hub.steps() == []
    textgen(*words, env=env)
    files = hub.files("alice/book")
    metadata = metadata_of(files["model.safetensors"])

    assert {entry["name"] for entry in bundle["files"]} == FILES
    for entry in bundle["files"]:
        data = files[entry["name"]]
        assert entry["size_bytes"] == len(data)
        assert entry["sha256"] == hashlib.sha256(data).hexdigest()
        assert f"{len(data):,} bytes" in shown.stdout
        assert entry["sha256"] in shown.stdout
    assert bundle["metadata"] == {"lstm_textgen": metadata}
    assert bundle["card"] == files["README.md"].decode()
    assert bundle["card"] in shown.stdout
    for value in leaves(metadata) + leaves(json.loads(files["config.json"])):
        assert json.dumps(value, ensure_ascii=False) in shown.stdout


def test_no_path_host_or_user_is_sent(textgen, trained, env, hub):
    """Not in what the dry run shows, and not in any byte of the three files."""
    person = {"USER": "zaphod", "LOGNAME": "zaphod", "HOSTNAME": "heart-of-gold"}
    words = ("push", trained.run, "alice/book")
    shown = textgen(*words, "--dry-run", env=env | person)
    textgen(*words, env=env | person)
    sent = b"\n".join(hub.files("alice/book").values())
    folders = {part for part in trained.run.parts if len(part) > 4} - {"checkpoints"}
    secrets = folders | {"zaphod", "heart-of-gold", socket.gethostname(), "hf_alice"}
    secrets |= {str(trained.run), str(textgen.folder), env["HF_HOME"], "/tmp", "/home"}

    assert shown.code == 0, shown.stderr
    assert [s for s in secrets if s in shown.stdout] == []
    assert [s for s in secrets if s.encode() in sent] == []


def test_private_is_private(textgen, trained, hub, env):
    """A new repository is its owner's; one that everybody sees is left alone."""
    textgen("push", trained.run, "alice/secret", "--private", env=env)
    hub.seed("alice/open", {"README.md": b"# open\n"})
    refused = textgen("push", trained.run, "alice/open", "--private", env=env)

    assert hub.repositories["alice/secret"]["private"]
    refused.assert_refused(73, "alice/open", "--private")
    assert set(hub.files("alice/open")) == {"README.md"}


@pytest.mark.parametrize(
    ("words", "code", "values"),
    [
        (("alice/a b",), 2, ["'alice/a b'"]),
        (("alice/book@v2",), 2, ["alice/book@v2", "Push to alice/book."]),
        *(
            (("alice/book", "--language", c), 2, [repr(c)])
            for c in ("EN", "éé", "engl")
        ),
    ],
)
def test_invalid_words_are_refused(textgen, trained, hub, env, words, code, values):
    """Before the hub is contacted."""
    textgen("push", trained.run, *words, env=env).assert_refused(code, *values)

    assert hub.steps() == []


def test_a_damaged_model_is_not_pushed(textgen, trained, hub, env):
    """It is read as strictly as one that was downloaded."""
    data = bytearray(trained.model.read_bytes())
    data[-1] ^= 1
    textgen.write("bad.safetensors", bytes(data))
    refused = textgen("push", "bad.safetensors", "alice/bad", env=env)

    refused.assert_refused(65, "bad.safetensors")
    assert hub.steps() == []


def test_the_same_model_again_makes_no_second_commit(textgen, trained, hub, env):
    """Nor is it sent again; JSON names the commit that exists."""
    words = ("push", trained.run, "alice/book", "--json")
    first, second = (textgen(*words, env=env).json for _ in range(2))
    [(commit, _, _)] = hub.commits("alice/book")

    assert first == second
    assert first == {
        "repository": "alice/book",
        "commit": commit,
        "address": f"{hub.address}/alice/book",
    }
    assert hub.steps().count("upload") == 1
